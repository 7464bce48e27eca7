// kafkajs: create, produce, consume by the contract of the README.
//
// The library has no hook before a partition is given away: it commits after each batch, and what a
// rebalance interrupts may be read again. That is why the harness is not strict with it.
'use strict'

const readline = require('node:readline')
const { Kafka, logLevel } = require('kafkajs')

const KEYS = 40

const say = (event, fields = {}) => process.stdout.write(JSON.stringify({ event, ...fields }) + '\n')
const lines = () => readline.createInterface({ input: process.stdin, terminal: false })

function connect(bootstrap) {
  return new Kafka({
    brokers: [bootstrap],
    clientId: 'compat-kafkajs',
    logLevel: logLevel.WARN,
    retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 60 },
    logCreator: () => ({ log, label }) => process.stderr.write(`${label} ${JSON.stringify(log)}\n`),
  })
}

async function create(bootstrap, topic, partitions) {
  const admin = connect(bootstrap).admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: Number(partitions) }] })
  await admin.disconnect()
  say('created')
}

async function produce(bootstrap, topic) {
  const producer = connect(bootstrap).producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for await (const line of lines()) {
    const [, first, count] = line.split(' ').map(Number)
    const numbers = Array.from({ length: count }, (_, index) => first + index)
    const messages = numbers.map((number) => ({ key: `key-${number % KEYS}`, value: `${number}` }))
    await producer.send({ topic, acks: -1, messages })
    say('sent', { first, count })
  }
  await producer.disconnect()
}

// Offsets as the events and `commitOffsets` have them, by partition.
const byPartition = (partitions) =>
  Object.fromEntries(partitions.map(({ partition, offset }) => [partition, Number(offset)]))

async function consume(bootstrap, topic, groupId) {
  // When the node goes away this library may start anew as another member; the old one then has to time out.
  const consumer = connect(bootstrap).consumer({ groupId, sessionTimeout: 10000, heartbeatInterval: 500 })
  const { GROUP_JOIN, REBALANCING, COMMIT_OFFSETS, CRASH } = consumer.events
  const pending = new Map()
  consumer.on(GROUP_JOIN, ({ payload }) => {
    pending.clear()
    say('owns', { partitions: payload.memberAssignment[topic] ?? [] })
  })
  consumer.on(REBALANCING, () => say('owns', { partitions: [] }))
  consumer.on(CRASH, ({ payload }) => {
    if (!payload.restart) throw payload.error
  })
  consumer.on(COMMIT_OFFSETS, ({ payload }) => {
    for (const { partitions } of payload.topics) {
      const offsets = byPartition(partitions)
      for (const [partition, offset] of Object.entries(offsets)) {
        if (pending.get(Number(partition)) <= offset) pending.delete(Number(partition))
      }
      say('committed', { offsets })
    }
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      for (const message of batch.messages) {
        if (!isRunning() || isStale()) break
        say('record', {
          partition: batch.partition,
          offset: Number(message.offset),
          key: message.key.toString(),
          value: message.value.toString(),
        })
        resolveOffset(message.offset)
        pending.set(batch.partition, Number(message.offset) + 1)
      }
      await heartbeat()
    },
  })
  const commit = async () => {
    const offsets = [...pending].map(([partition, offset]) => ({ topic, partition, offset: `${offset}` }))
    if (offsets.length === 0) return
    await consumer.commitOffsets(offsets)
    say('committed', { offsets: byPartition(offsets) })
    pending.clear()
  }
  for await (const line of lines()) {
    if (line === 'leave') break
    await commit()
    say('done')
  }
  // Leaving waits for the batch in hand and commits it.
  await consumer.disconnect()
}

const [verb, ...rest] = process.argv.slice(2)
const verbs = { create, produce, consume }
verbs[verb](...rest).then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`)
    process.exit(1)
  },
)
