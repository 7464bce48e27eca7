// franz-go: create, produce, consume by the contract of the README.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
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

func say(what event) {
	line, err := json.Marshal(what)
	check(err)
	_, err = os.Stdout.Write(append(line, '\n'))
	check(err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func connect(bootstrap string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options,
		kgo.SeedBrokers(bootstrap),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelInfo, nil)),
	)...)
	check(err)
	return client
}

func create(bootstrap, topic string, partitions int32) {
	client := connect(bootstrap)
	defer client.Close()
	answer, err := kadm.NewClient(client).CreateTopic(context.Background(), partitions, 1, nil, topic)
	check(err)
	check(answer.Err)
	say(event{Event: "created"})
}

func produce(bootstrap, topic string) {
	client := connect(bootstrap, kgo.DefaultProduceTopic(topic))
	defer client.Close()
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var first, count int
		_, err := fmt.Sscanf(input.Text(), "send %d %d", &first, &count)
		check(err)
		var records []*kgo.Record
		for number := first; number < first+count; number++ {
			records = append(records, &kgo.Record{
				Key:   []byte("key-" + strconv.Itoa(number%keys)),
				Value: []byte(strconv.Itoa(number)),
			})
		}
		check(client.ProduceSync(context.Background(), records...).FirstErr())
		say(event{Event: "sent", First: &first, Count: &count})
	}
}

// heartbeats counts those of KIP-848: the library falls back to the classic protocol without a word.
type heartbeats struct {
	count atomic.Int64
}

func (h *heartbeats) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if key == kmsg.ConsumerGroupHeartbeat.Int16() && err == nil {
		h.count.Add(1)
	}
}

// member reads, and remembers what it owns. Its fields belong to the polling goroutine: callbacks run while that
// one waits, since rebalances are blocked outside of polls.
type member struct {
	client *kgo.Client
	topic  string
	owns   []int32
}

func (m *member) sayOwns() {
	slices.Sort(m.owns)
	owns := append([]int32{}, m.owns...)
	say(event{Event: "owns", Partitions: &owns})
}

func (m *member) assigned(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.owns = append(m.owns, partitions[m.topic]...)
	m.sayOwns()
}

func (m *member) drop(partitions map[string][]int32) {
	m.owns = slices.DeleteFunc(m.owns, func(partition int32) bool {
		return slices.Contains(partitions[m.topic], partition)
	})
	m.sayOwns()
}

func (m *member) revoked(ctx context.Context, client *kgo.Client, partitions map[string][]int32) {
	m.commit(ctx, client)
	m.drop(partitions)
}

func (m *member) lost(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.drop(partitions)
}

func (m *member) commit(ctx context.Context, client *kgo.Client) {
	offsets := map[int32]int64{}
	for partition, offset := range client.UncommittedOffsets()[m.topic] {
		offsets[partition] = offset.Offset
	}
	if len(offsets) == 0 {
		return
	}
	check(client.CommitUncommittedOffsets(ctx))
	say(event{Event: "committed", Offsets: &offsets})
}

func (m *member) read() {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	m.client.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
		say(event{
			Event: "record", Partition: &record.Partition, Offset: &record.Offset,
			Key: string(record.Key), Value: string(record.Value),
		})
	})
	m.client.AllowRebalance()
}

func consume(bootstrap, topic, group, protocol string) {
	m := &member{topic: topic}
	beats := &heartbeats{}
	options := []kgo.Opt{
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(60 * time.Second),
		kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.OnPartitionsAssigned(m.assigned),
		kgo.OnPartitionsRevoked(m.revoked),
		kgo.OnPartitionsLost(m.lost),
		kgo.WithHooks(beats),
	}
	switch protocol {
	case "classic":
		options = append(options, kgo.Balancers(kgo.RangeBalancer()))
	case "cooperative":
		options = append(options, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	case "consumer":
		options = append(options, kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer())
	}
	m.client = connect(bootstrap, options...)
	commands := make(chan string)
	go func() {
		input := bufio.NewScanner(os.Stdin)
		for input.Scan() {
			commands <- strings.TrimSpace(input.Text())
		}
		commands <- "leave"
	}()
	for {
		m.read()
		select {
		case command := <-commands:
			m.commit(context.Background(), m.client)
			if command == "leave" {
				m.client.CloseAllowingRebalance()
				if protocol == "consumer" && beats.count.Load() == 0 {
					log.Fatal("the group was a classic one: the broker offers no ConsumerGroupHeartbeat")
				}
				return
			}
			say(event{Event: "done"})
		default:
		}
	}
}

func main() {
	log.SetFlags(0)
	arguments := os.Args[1:]
	switch arguments[0] {
	case "create":
		partitions, err := strconv.Atoi(arguments[3])
		check(err)
		create(arguments[1], arguments[2], int32(partitions))
	case "produce":
		produce(arguments[1], arguments[2])
	case "consume":
		consume(arguments[1], arguments[2], arguments[3], arguments[4])
	default:
		log.Fatalf("unknown verb: %s", arguments[0])
	}
}
