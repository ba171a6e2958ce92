// A receiver in Node.js: fastify with a schema for each event, and a current Kafka client in plain JavaScript.
import { randomUUID, timingSafeEqual } from 'node:crypto'
import fastify from 'fastify'
import { Producer } from '@platformatic/kafka'

const secret = Buffer.from(process.env.BENCH_SECRET)
const producer = new Producer({
  clientId: 'bench-node',
  bootstrapBrokers: process.env.KAFKA_BOOTSTRAP_SERVERS.split(','),
  acks: -1, // every in-sync replica
  idempotent: false // with concurrent sends its idempotent mode is refused as out of order (1.35.0)
})

const text = { type: 'string' }
const optional = { type: ['string', 'null'] }
const number = { type: 'integer' }
const shop = { ClientId: number, ApplicationId: number }
const buyer = { CellPhone: optional, FirstName: optional, LastName: optional }
const status = {
  topic: 'norce.events.order',
  required: ['ClientId', 'ApplicationId', 'OrderId', 'OrderNo', 'ClientOrderRef', 'Source'],
  properties: { ...shop, ...buyer, OrderId: number, OrderNo: text, ClientOrderRef: text, Source: text, DropPointCode: optional }
}
const events = {
  OrderReceivedEvent: {
    topic: 'norce.events.order',
    required: ['ClientId', 'ApplicationId', 'ClientOrderRef', 'Source'],
    properties: { ...shop, ...buyer, ClientOrderRef: text, Source: text, Email: optional }
  },
  OrderConfirmedEvent: status,
  OrderPartlyDeliveredEvent: status,
  OrderReadyForPickupEvent: status,
  OrderDeliveredEvent: status,
  OrderCancelledEvent: status,
  OrderPaymentReceivedEvent: {
    topic: 'norce.events.payment',
    required: ['ClientId', 'ApplicationId', 'ClientOrderRef', 'ErpOrderNo', 'PaymentCode'],
    properties: {
      ...shop, ClientOrderRef: text, ErpOrderNo: text, PaymentCode: text, PaymentMethodCode: optional,
      PaymentRef: optional, Amount: { type: ['number', 'null'] }, CurrencyCode: optional
    }
  },
  SubscriptionFailedEvent: {
    topic: 'norce.events.subscription',
    required: ['ClientId', 'ApplicationId'],
    properties: { ...shop, ...buyer, BasketId: { type: ['integer', 'null'] }, Email: optional, ErrorMessage: optional }
  }
}

const app = fastify({ logger: { level: 'error' } })
// The body goes on byte for byte, so it is kept beside what was parsed of it.
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
  request.raw.body = body
  try {
    done(null, JSON.parse(body))
  } catch (error) {
    done(error)
  }
})
app.addHook('onRequest', async (request, reply) => {
  if (request.url === '/readyz') return
  const given = Buffer.from(request.headers['x-norce-secret'] ?? '')
  if (given.length !== secret.length || !timingSafeEqual(given, secret)) return reply.code(401).send()
})
for (const [type, { topic, ...body }] of Object.entries(events)) {
  app.post(`/webhooks/norce/${type}`, { schema: { body: { type: 'object', ...body } } }, async (request, reply) => {
    const event = request.body
    const key = Buffer.from(`${event.ClientId}:${event.ApplicationId}:${event.ClientOrderRef ?? event.BasketId}`)
    const headers = new Map([
      ['ce_specversion', '1.0'], ['ce_id', randomUUID()], ['ce_type', `io.norce.${type}`], ['ce_source', '/norce'],
      ['ce_time', new Date().toISOString()], ['content-type', 'application/json'], ['ce_partitionkey', key]
    ].map(([name, value]) => [Buffer.from(name), Buffer.from(value)]))
    await producer.send({ messages: [{ topic, key, value: request.raw.body, headers }] })
    return reply.code(200).send()
  })
}
app.get('/readyz', async () => '')
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) })
process.on('SIGTERM', async () => {
  await app.close()
  await producer.close()
})
