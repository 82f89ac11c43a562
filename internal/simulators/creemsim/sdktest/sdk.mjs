import { Creem } from 'creem'
import { parseWebhookEventEntity, verifyWebhookSignature } from 'creem/webhooks'
import { createServer } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'

const [base, apiKey, scenario] = process.argv.slice(2)
const creem = new Creem({ apiKey, serverURL: base })

// control does what no client can: it pays, waits for months, takes money back.
const control = async (path, body, method = 'POST') => {
  const response = await fetch(`${base}/_control/${path}`, { method, body: body && JSON.stringify(body) })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response.json()
}
const read = async (path) => (await fetch(`${base}/_control/${path}`)).json()
const pass = (days) => control('clock', { advance: `${24 * days}h` })

const buy = async (productId) => {
  const { id } = await creem.checkouts.create({ productId, metadata: { user_id: 'usr_1' } })
  return control(`checkouts/${id}/pay`)
}

// all reads a list to its end, as the client's own iterator does.
const all = async (pages) => {
  const items = []
  for await (const page of await pages) items.push(...page.result.items)
  return items
}

// failure waits for an error and tells its parts.
const failure = async (promise) => {
  try {
    await promise
    return null
  } catch (e) {
    return { name: e.name, status: e.statusCode, body: JSON.parse(e.body), code: e.error?.code }
  }
}

// inbox takes deliveries, and has the client verify and parse each.
const inbox = async () => {
  const seen = { verified: [], parsed: [], errors: [] }
  let secret
  const server = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const { id, eventType } = JSON.parse(body)
    try {
      await verifyWebhookSignature(body, request.headers, secret)
      seen.verified.push(id)
      seen.parsed.push(parseWebhookEventEntity(body).eventType)
    } catch (e) {
      seen.errors.push(`${eventType}: ${e.message}`)
    }
    response.end()
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const endpoint = await creem.webhooks.create({ url: `http://127.0.0.1:${server.address().port}/` })
  secret = endpoint.secret
  return {
    // end waits for everything that was told, and returns what came of it.
    end: async () => {
      const events = await read('events')
      while (seen.verified.length < events.length) await wait(5)
      server.close()
      return { told: events.map((e) => e.type), ...seen }
    },
  }
}

// live has everything happen to a pack and to subscriptions that Creem can tell of.
const live = async () => {
  const [pack, first, second] = [await buy('prod_pack'), await buy('prod_monthly'), await buy('prod_monthly')]
  await buy('prod_trial')
  await creem.transactions.refund({ transactionId: pack.transaction_id })
  const id = first.subscription_id
  await creem.subscriptions.upgrade(id, { productId: 'prod_dearer', updateBehavior: 'proration-charge-immediately' })
  await creem.subscriptions.upgrade(id, { productId: 'prod_monthly' })
  await creem.subscriptions.pause(id)
  await creem.subscriptions.resume(id)
  await creem.subscriptions.cancel(id, { mode: 'scheduled', onExecute: 'cancel' })
  await control(`orders/${second.transaction_id}/dispute`)
  await pass(35)
  await control('knobs', { fail_renewals: true }, 'PUT')
  await pass(90)
}

const scenarios = {
  checkout: async () => {
    const discount = await creem.discounts.create({ name: 'Tenth', code: 'TENTH', type: 'percentage', percentage: 10, duration: 'once', appliesToProducts: ['prod_pack'] })
    const created = await creem.checkouts.create({
      requestId: 'req-1', productId: 'prod_pack', units: 2, discountCode: 'TENTH', customer: { email: 'ada@example.com' },
      customFields: [{ type: 'text', key: 'company', label: 'Company', optional: true, text: { minLength: 1, maxLength: 80 } }, { type: 'checkbox', key: 'waiver', label: 'Waiver' }],
      successUrl: 'https://app.example/return', metadata: { user_id: 'usr_1' },
    })
    const paid = await control(`checkouts/${created.id}/pay`)
    const { subscription_id: subscription, checkout_id: bought } = await buy('prod_monthly')
    return { discount, created, paid, completed: await creem.checkouts.retrieve(created.id), subscription, ofSubscription: await creem.checkouts.retrieve(bought) }
  },

  products: async () => {
    const wanted = { name: 'More', description: '1000 credits', price: 1900, currency: 'EUR', billingType: 'onetime' }
    const created = await creem.products.create(wanted, 'key-1')
    const again = await creem.products.create(wanted, 'key-1')
    return {
      created, again, got: await creem.products.get(created.id), updated: await creem.products.update(created.id, { price: 2900 }),
      archived: await creem.products.archive(created.id), active: await all(creem.products.search(1, 2, 'active')), all: await all(creem.products.search()),
    }
  },

  customers: async () => {
    const created = await creem.customers.create({ email: 'Ada@example.com', name: 'Ada', metadata: { a: 1 }, externalId: 'usr_1' })
    const { id } = await creem.checkouts.create({ productId: 'prod_monthly', customer: { id: created.id } })
    await control(`checkouts/${id}/pay`)
    return {
      created, updated: await creem.customers.update({ customerId: created.id, name: 'Countess', externalId: null }),
      byId: await creem.customers.retrieve(created.id), byEmail: await creem.customers.retrieve(undefined, 'ada@example.com'),
      listed: await all(creem.customers.list()), orders: (await creem.customers.getOrders(created.id)).items,
      subscriptions: (await creem.customers.listSubscriptions(created.id)).items, licenses: (await creem.customers.listLicenses(created.id)).items,
      portal: await creem.customers.generateBillingLinks({ customerId: created.id }),
    }
  },

  subscriptions: async () => {
    const { subscription_id: id } = await buy('prod_monthly')
    const steps = [
      await creem.subscriptions.cancel(id, { mode: 'scheduled', onExecute: 'pause' }), await creem.subscriptions.resume(id),
      await creem.subscriptions.pause(id), await creem.subscriptions.resume(id),
      await creem.subscriptions.upgrade(id, { productId: 'prod_dearer', updateBehavior: 'proration-charge-immediately' }),
    ]
    steps.push(await creem.subscriptions.update(id, { items: [{ id: steps[4].items[0].id, units: 3 }] }))
    await pass(32)
    steps.push(await creem.subscriptions.get(id), await creem.subscriptions.cancel(id, { mode: 'immediate' }))
    const trial = await buy('prod_trial')
    return { steps, trial: await creem.subscriptions.get(trial.subscription_id), found: await all(creem.subscriptions.search(1, 1)) }
  },

  transactions: async () => {
    const bought = []
    for (let i = 0; i < 5; i++) bought.push((await buy('prod_pack')).transaction_id)
    const { order_id: order, customer_id: customer } = await buy('prod_monthly')
    await pass(65)
    const refunded = await creem.transactions.refund({ transactionId: bought[0] })
    await control(`orders/${bought[1]}/dispute`)
    return {
      bought, refunded, got: await creem.transactions.getById(bought[0]), found: await all(creem.transactions.search(undefined, undefined, undefined, 1, 2)),
      ofOrder: await all(creem.transactions.search(undefined, order)), ofCustomer: await all(creem.transactions.search(customer)), ofProduct: await all(creem.transactions.search(undefined, undefined, 'prod_pack')),
    }
  },

  discounts: async () => {
    const fixed = await creem.discounts.create({
      name: 'Five', type: 'fixed', amount: 500, currency: 'EUR', duration: 'repeating', durationInMonths: 3, maxRedemptions: 5,
      expiryDate: new Date('2099-01-01T00:00:00Z'), appliesToProducts: ['prod_pack'],
    })
    const half = await creem.discounts.create({ name: 'Half', code: 'HALF', type: 'percentage', percentage: 50, duration: 'forever', appliesToProducts: ['prod_pack'] })
    return {
      fixed, half, byId: await creem.discounts.get(fixed.id), byCode: await creem.discounts.get(undefined, 'HALF'),
      deleted: await creem.discounts.delete(half.id), found: await all(creem.discounts.search(1, 10, 'prod_pack', 'active')),
    }
  },

  stats: async () => {
    await buy('prod_pack')
    await buy('prod_monthly')
    const now = Date.now()
    return { totals: await creem.stats.getSummary('EUR'), periods: await creem.stats.getSummary('EUR', now - 3 * 86_400_000, now + 86_400_000, 'day') }
  },

  moderation: async () => ({
    allowed: await creem.moderation.screenPrompt({ prompt: 'a fox', externalId: 'gen_1' }), bare: await creem.moderation.screenPrompt({ prompt: 'a fox' }),
    flagged: await creem.moderation.screenPrompt({ prompt: 'a fox #force-moderation-flag' }), denied: await creem.moderation.screenPrompt({ prompt: '#force-moderation-deny' }),
    failed: await failure(creem.moderation.screenPrompt({ prompt: '#force-moderation-error' })),
  }),

  endpoints: async () => {
    const created = await creem.webhooks.create({ url: 'https://app.example/hook', name: 'billing', events: ['checkout.completed'] })
    const rest = {
      got: await creem.webhooks.get(created.id), secret: await creem.webhooks.getSecret(created.id), listed: await all(creem.webhooks.list()),
      updated: await creem.webhooks.update(created.id, { status: 'disabled', events: [] }), deleted: await creem.webhooks.delete(created.id),
    }

    const feed = await creem.webhooks.create({ deliveryMode: 'cli' })
    await buy('prod_monthly')
    const pending = (await creem.webhooks.listPendingEvents(feed.id, 10)).items
    for (const event of pending) {
      await verifyWebhookSignature(event.body, event.headers, feed.secret)
      parseWebhookEventEntity(event.body)
    }
    const acks = [
      await creem.webhooks.acknowledgeEvent(feed.id, pending[0].id, { statusCode: 200, responseBody: 'ok' }),
      await creem.webhooks.acknowledgeEvent(feed.id, pending[1].id, { statusCode: 503 }),
    ]
    return { created, ...rest, feed, pending: pending.map((e) => e.eventType), acks, left: (await creem.webhooks.listPendingEvents(feed.id)).items.map((e) => e.eventType) }
  },

  errors: async () => {
    const account = await creem.customerCredits.createAccount({ customerId: (await buy('prod_pack')).customer_id, initialBalance: '100' })
    const debit = (amount, idempotencyKey) => creem.customerCredits.debitAccount(account.id, { amount, reference: 'r', idempotencyKey })
    const booked = await debit('40', 'k1')
    const credited = await creem.customerCredits.creditAccount(account.id, { amount: '5', reference: 'r', idempotencyKey: 'k2' })
    return {
      account, booked, credited, replayed: await debit('40', 'k1'), balance: await creem.customerCredits.getAccountBalance(account.id),
      conflict: await failure(debit('41', 'k1')), insufficient: await failure(debit('1000', 'k3')),
      missing: await failure(creem.products.get('prod_none')), invalid: await failure(creem.checkouts.create({ productId: 'prod_pack', units: 0 })),
      forbidden: await failure(new Creem({ apiKey: 'creem_live_key', serverURL: base }).products.get('prod_pack')),
    }
  },

  life: async () => {
    const hook = await inbox()
    await live()
    return hook.end()
  },

  documented: async () => {
    const hook = await inbox()
    const { id } = await creem.checkouts.create({ productId: 'prod_monthly' })
    await control('knobs', { bodies: 'documented' }, 'PUT')
    await control(`checkouts/${id}/pay`)
    return hook.end()
  },
}

process.stdout.write(JSON.stringify(await scenarios[scenario]()), () => process.exit(0))
