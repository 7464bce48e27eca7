// sarama: create, produce, consume by the contract of the README.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const keys = 40

// event is one line of standard output; what is not said is left out.
type event struct {
	Event      string           `json:"event"`
	First      *int             `json:"first,omitempty"`
	Count      *int             `json:"count,omitempty"`
	Partition  *int32           `json:"partition,omitempty"`
	Offset     *int64           `json:"offset,omitempty"`
	Key        string           `json:"key,omitempty"`
	Value      string           `json:"value,omitempty"`
	Partitions *[]int32         `json:"partitions,omitempty"`
	Offsets    *map[int32]int64 `json:"offsets,omitempty"`
}

var output sync.Mutex

func say(what event) {
	line, err := json.Marshal(what)
	check(err)
	output.Lock()
	defer output.Unlock()
	_, err = os.Stdout.Write(append(line, '\n'))
	check(err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func config() *sarama.Config {
	found := sarama.NewConfig()
	found.ClientID = "compat-sarama"
	found.Metadata.Retry.Max = 100
	found.Metadata.Retry.Backoff = 250 * time.Millisecond
	return found
}

func create(bootstrap, topic string, partitions int32) {
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, config())
	check(err)
	check(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false))
	check(admin.Close())
	say(event{Event: "created"})
}

func produce(bootstrap, topic string) {
	settings := config()
	settings.Producer.RequiredAcks = sarama.WaitForAll
	settings.Producer.Idempotent = true
	settings.Net.MaxOpenRequests = 1
	settings.Producer.Return.Successes = true
	settings.Producer.Retry.Max = 100
	settings.Producer.Retry.Backoff = 250 * time.Millisecond
	producer, err := sarama.NewSyncProducer([]string{bootstrap}, settings)
	check(err)
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var first, count int
		_, err := fmt.Sscanf(input.Text(), "send %d %d", &first, &count)
		check(err)
		var messages []*sarama.ProducerMessage
		for number := first; number < first+count; number++ {
			messages = append(messages, &sarama.ProducerMessage{
				Topic: topic,
				Key:   sarama.StringEncoder("key-" + strconv.Itoa(number%keys)),
				Value: sarama.StringEncoder(strconv.Itoa(number)),
			})
		}
		check(producer.SendMessages(messages))
		say(event{Event: "sent", First: &first, Count: &count})
	}
	check(producer.Close())
}

// member is the handler of each session, from one rebalance to the next. One goroutine per claim reads; `lock`
// keeps what was said and what was marked the same while a commit is under way.
type member struct {
	topic   string
	lock    sync.Mutex
	session sarama.ConsumerGroupSession
	pending map[int32]int64
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session = session
	m.pending = map[int32]int64{}
	owns := append([]int32{}, session.Claims()[m.topic]...)
	slices.Sort(owns)
	say(event{Event: "owns", Partitions: &owns})
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, isOpen := <-claim.Messages():
			if !isOpen {
				return nil
			}
			m.lock.Lock()
			say(event{
				Event: "record", Partition: &message.Partition, Offset: &message.Offset,
				Key: string(message.Key), Value: string(message.Value),
			})
			session.MarkMessage(message, "")
			m.pending[message.Partition] = message.Offset + 1
			m.lock.Unlock()
		case <-session.Context().Done():
			return nil
		}
	}
}

// Cleanup runs when all claims have ended. After it, and before others get the partitions, the library commits what
// is marked, with retries, provided that it may commit by itself; `Commit` alone gives up at a lost connection.
func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session = nil
	say(event{Event: "owns", Partitions: &[]int32{}})
	return nil
}

// commit has no answer in this library: failures come later by the group's errors. The harness sees them all the same,
// since a record that was said to be committed is then read again.
func (m *member) commit() {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.session == nil || len(m.pending) == 0 {
		return
	}
	m.session.Commit()
	offsets := m.pending
	m.pending = map[int32]int64{}
	say(event{Event: "committed", Offsets: &offsets})
}

func consume(bootstrap, topic, name string) {
	settings := config()
	settings.Consumer.Offsets.Initial = sarama.OffsetOldest
	settings.Consumer.Offsets.AutoCommit.Enable = true
	settings.Consumer.Offsets.AutoCommit.Interval = 24 * time.Hour
	settings.Consumer.Return.Errors = true
	settings.Consumer.Group.Session.Timeout = 60 * time.Second
	settings.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	settings.Consumer.Group.Rebalance.Retry.Max = 100
	settings.Consumer.Group.Rebalance.Retry.Backoff = 250 * time.Millisecond
	group, err := sarama.NewConsumerGroup([]string{bootstrap}, name, settings)
	check(err)
	go func() {
		for err := range group.Errors() {
			log.Print(err)
		}
	}()
	m := &member{topic: topic}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		input := bufio.NewScanner(os.Stdin)
		for input.Scan() && strings.TrimSpace(input.Text()) != "leave" {
			m.commit()
			say(event{Event: "done"})
		}
		cancel()
	}()
	for ctx.Err() == nil {
		err := group.Consume(ctx, []string{topic}, m)
		if err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) && ctx.Err() == nil {
			log.Print(err)
			time.Sleep(250 * time.Millisecond)
		}
	}
	check(group.Close())
}

func main() {
	log.SetFlags(0)
	sarama.Logger = log.New(os.Stderr, "sarama ", log.Lmicroseconds)
	arguments := os.Args[1:]
	switch arguments[0] {
	case "create":
		partitions, err := strconv.Atoi(arguments[3])
		check(err)
		create(arguments[1], arguments[2], int32(partitions))
	case "produce":
		produce(arguments[1], arguments[2])
	case "consume":
		consume(arguments[1], arguments[2], arguments[3])
	default:
		log.Fatalf("unknown verb: %s", arguments[0])
	}
}
