// The service: Better Auth behind one listener, its metrics and health behind another.

import { once } from "node:events";
import { createServer } from "node:http";

import { toNodeHandler } from "better-auth/node";

import { create } from "./auth.mjs";
import { fault, log } from "./log.mjs";
import { createMetrics } from "./metrics.mjs";
import { answerJSON, createHealth, createOps } from "./ops.mjs";

const stopAfter = 10_000; // milliseconds that requests in flight get to finish
const prefix = "/api/auth";

// Serves until a signal, or the end of standard input, stops the process.
export async function run(config) {
  const { auth, pool } = create(config);
  const { registry, record } = createMetrics(auth, pool);
  const handle = toNodeHandler(auth);
  let stopping = false;

  const answerHealth = createHealth(pool, () => stopping);

  async function serve(req, res) {
    const path = req.url.split("?")[0];
    if (await answerHealth(path, res)) return;
    if (!path.startsWith(`${prefix}/`)) return answerJSON(res, 404, { status: "not found" });

    const began = performance.now();
    res.on("close", () => record(path.slice(prefix.length), res.writableFinished ? res.statusCode : 0, (performance.now() - began) / 1000));

    return handle(req, res);
  }

  const server = createServer({ requestTimeout: 15_000, headersTimeout: 10_000, keepAliveTimeout: 75_000 }, (req, res) => {
    serve(req, res).catch((err) => {
      log("error", "request not answered", fault(err));
      if (res.headersSent) res.destroy();
      else answerJSON(res, 500, { status: "internal error" });
    });
  });
  const ops = createOps(registry, answerHealth);

  function stop() {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), stopAfter).unref();
    server.close(() => {
      ops.close();
      ops.closeAllConnections();
      pool.end().then(() => process.exit(0), () => process.exit(1));
    });
    server.closeIdleConnections();
  }

  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  if (process.argv.includes("--with-parent")) process.stdin.on("end", stop).on("error", stop).resume();

  try {
    ops.listen(config.opsPort, config.opsHost);
    await once(ops, "listening");
    server.listen(config.port, config.host);
    await once(server, "listening");
  } catch (err) {
    log("error", "could not listen", fault(err));
    process.exit(1);
  }

  log("info", "listening", { host: config.host, port: server.address().port, ops_host: config.opsHost, ops_port: ops.address().port });
}
