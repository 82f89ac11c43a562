// Health, and the private listener: metrics and health, as the other processes have one. It shows numbers alone and changes
// nothing, so it has no login; it must not be reached from the public network all the same.

import { createServer } from "node:http";

const answerWithin = 2_000; // milliseconds

// Returns what answers /livez and /readyz: true when it did. /healthz is the name of /livez at the other processes.
export function createHealth(pool, isStopping) {
  const askPostgres = async () => {
    // The table is named, so a database that was never migrated is not ready either.
    const asked = pool.query('select from "user" limit 0').then(() => "ok", () => "does not work");
    const late = new Promise((resolve) => setTimeout(resolve, answerWithin, "did not answer within 2s").unref());

    return Promise.race([asked, late]);
  };

  return async (path, res) => {
    if (path === "/livez" || path === "/healthz") {
      answerJSON(res, 200, { status: "ok" });
    } else if (path === "/readyz") {
      const postgres = await askPostgres();
      const status = isStopping() ? "draining" : postgres === "ok" ? "ready" : "not_ready";
      answerJSON(res, status === "ready" ? 200 : 503, { status, checks: { postgres } });
    } else {
      return false;
    }

    return true;
  };
}

export function createOps(registry, answerHealth) {
  return createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, async (req, res) => {
    try {
      const path = req.url.split("?")[0];
      if (await answerHealth(path, res)) return;
      if (path !== "/metrics") return answerJSON(res, 404, { status: "not found" });

      const text = await registry.metrics();
      res.writeHead(200, { "content-type": registry.contentType, "cache-control": "no-store" }).end(text);
    } catch {
      answerJSON(res, 500, { status: "internal error" });
    }
  });
}

export function answerJSON(res, status, body) {
  res.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" }).end(`${JSON.stringify(body)}\n`);
}
