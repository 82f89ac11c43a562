// Runs one scenario with fal's client against a simulator and prints what came of it as JSON:
//   node sdk.mjs <base URL> <key> <scenario>
// The states that it sees meanwhile go to the standard error, a line each.
import { ApiError, createFalClient, ValidationError } from '@fal-ai/client'
import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'

const [base, key, scenario] = process.argv.slice(2)
const hosts = { 'https://queue.fal.run': '/queue', 'https://fal.run': '/run', 'https://rest.fal.ai': '/rest' }
const fal = createFalClient({
  credentials: key,
  requestMiddleware: async (request) => {
    const { origin, pathname, search } = new URL(request.url)
    if (!(origin in hosts)) throw new Error(`not for this test: ${origin}`)
    return { ...request, url: base + hosts[origin] + pathname + search }
  },
})

const model = 'fal-ai/flux/dev'
const input = { prompt: 'a lighthouse', seed: 7, image_size: 'square' }

// failure waits for an error and tells its parts.
const failure = async (promise) => {
  try {
    return { value: (await promise) ?? null }
  } catch (e) {
    return {
      name: e.name, message: e.message, status: e.status, body: e.body, requestId: e.requestId,
      api: e instanceof ApiError, validation: e instanceof ValidationError, userTimeout: e.isUserTimeout,
      fields: e instanceof ValidationError ? e.fieldErrors : undefined,
      images: e instanceof ValidationError ? e.getFieldErrors('num_images') : undefined,
    }
  }
}

const tell = (update) => {
  process.stderr.write(`${update.status}\n`)
  return structuredClone(update)
}

const completed = async (requestId, logs) => {
  for (const seen = []; ; await wait(20)) {
    const status = await fal.queue.status(model, { requestId, logs })
    seen.push(tell(status))
    if (status.status === 'COMPLETED') return seen
  }
}

const download = async (url) => {
  const response = await fetch(url)
  const data = Buffer.from(await response.arrayBuffer())
  return { status: response.status, type: response.headers.get('content-type'), bytes: data.length, sha256: createHash('sha256').update(data).digest('hex') }
}

const photo = async () => {
  const done = await fal.subscribe(model, { input: { ...input, output_format: 'png' }, pollInterval: 20 })
  return new File([await (await fetch(done.data.images[0].url)).arrayBuffer()], 'photo.png', { type: 'image/png' })
}

// subscribe follows a request to its end and keeps all that was told on the way.
const subscribe = async (options) => {
  const seen = { enqueued: [], updates: [] }
  const result = await fal.subscribe(model, {
    input, logs: true, onEnqueue: (id) => seen.enqueued.push(id), onQueueUpdate: (u) => seen.updates.push(tell(u)), ...options,
  })
  return { ...seen, result }
}

const scenarios = {
  queue: async () => {
    const submitted = await fal.queue.submit(model, {
      input, webhookUrl: 'https://hooks.example/fal?a=1&b=2', priority: 'low', hint: 'warm', startTimeout: 30,
      headers: { 'X-Fal-Tags': 'attempt=1', 'X-Fal-Store-IO': '0' }, storageSettings: { expiresIn: '1h' },
    })
    const statuses = await completed(submitted.request_id, true)
    const quiet = await fal.queue.status(model, { requestId: submitted.request_id })
    const result = await fal.queue.result(model, { requestId: submitted.request_id })
    return { submitted, statuses, quiet, result, image: await download(result.data.images[0].url) }
  },

  subscribePolling: () => subscribe({ pollInterval: 20 }),
  subscribeStreaming: () => subscribe({ mode: 'streaming' }),

  subscribeTimeout: async () => failure(fal.subscribe(model, { input, timeout: 200, pollInterval: 20 })),

  streamStatus: async () => {
    const { request_id: requestId } = await fal.queue.submit(model, { input })
    const stream = await fal.queue.streamStatus(model, { requestId, logs: true })
    const events = []
    for await (const event of stream) events.push(tell(event))
    return { requestId, streamed: stream.requestId, events, last: await stream.done() }
  },

  streamUnknown: async () => failure((await fal.queue.streamStatus(model, { requestId: 'unknown' })).done()),

  cancel: async () => {
    const first = await fal.queue.submit(model, { input })
    const second = await fal.queue.submit(model, { input })
    const removed = await failure(fal.queue.cancel(model, { requestId: second.request_id }))
    const asked = await failure(fal.queue.cancel(model, { requestId: first.request_id }))
    await completed(first.request_id)
    return {
      removed, asked,
      result: await failure(fal.queue.result(model, { requestId: second.request_id })),
      tooLate: await failure(fal.queue.cancel(model, { requestId: first.request_id })),
      unknown: await failure(fal.queue.cancel(model, { requestId: 'unknown' })),
    }
  },

  tooEarly: async () => {
    const { request_id: requestId } = await fal.queue.submit(model, { input })
    return { requestId, result: await failure(fal.queue.result(model, { requestId })) }
  },

  validation: async () => ({
    newer: await failure(fal.subscribe(model, { input: { ...input, num_images: 9 } })),
    older: await failure(fal.subscribe('fal-ai/flux/schnell', { input: { ...input, num_images: 9 } })),
  }),

  failed: () => failure(fal.subscribe(model, { input, pollInterval: 20 })),

  unknown: async () => ({
    status: await failure(fal.queue.status(model, { requestId: 'unknown' })),
    result: await failure(fal.queue.result(model, { requestId: 'unknown' })),
    app: await failure(fal.queue.submit('fal-ai/no-such-app', { input })),
  }),

  wrongKey: async () => ({
    submit: await failure(fal.queue.submit(model, { input })),
    upload: await failure(fal.storage.upload(new Blob(['x']))),
  }),

  startTimeout: async () => {
    await fal.queue.submit(model, { input })
    return failure(fal.subscribe(model, { input, startTimeout: 1.1, pollInterval: 50 }))
  },

  submitAgain: async () => ({ submitted: await fal.queue.submit(model, { input }) }),

  run: async () => {
    const ran = await fal.run(model, { input, storageSettings: { expiresIn: '1h' }, startTimeout: 30 })
    return {
      ran, image: await download(ran.data.images[0].url),
      refused: await failure(fal.run(model, { input: { ...input, num_images: 9 } })),
      app: await failure(fal.run('fal-ai/no-such-app', { input })),
    }
  },

  runCrowded: async () => {
    const { request_id: requestId } = await fal.queue.submit(model, { input })
    const ran = await fal.run(model, { input })
    return { ran, before: await fal.queue.status(model, { requestId }) }
  },

  upload: async () => {
    const file = await photo()
    const url = await fal.storage.upload(file, { lifecycle: { expiresIn: '1d' } })
    const edit = (image) => fal.subscribe('fal-ai/z-image/turbo/image-to-image', { input: { prompt: 'a fox', image_url: image }, pollInterval: 20 })
    return { url, size: file.size, stored: await download(url), byURL: await edit(url), byBlob: await edit(file) }
  },

  uploadInParts: async () => {
    const data = Buffer.alloc(91 * 1024 * 1024)
    for (let i = 0; i < data.length; i += 4096) data.writeUInt32LE(i, i)
    const url = await fal.storage.upload(new Blob([data], { type: 'application/x-test' }))
    return { url, sha256: createHash('sha256').update(data).digest('hex'), stored: await download(url) }
  },
}

// exit, because a subscription that timed out during a poll goes on polling in client 1.10.1.
process.stdout.write(JSON.stringify(await scenarios[scenario]()), () => process.exit(0))
