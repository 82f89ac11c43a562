// What the service tells Prometheus. Labels come from closed lists.

import { readFileSync } from "node:fs";

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

import { unforeseen } from "./log.mjs";

// Returns the registry, and what records a request that was answered.
export function createMetrics(auth, pool) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
  new Gauge({
    name: "imagerun_build_info", help: "Always 1; the labels say which process and build this is.",
    labelNames: ["process", "version", "node_version"], registers,
  }).set({ process: "auth", version, node_version: process.version }, 1);

  new Gauge({
    name: "imagerun_auth_connections", help: "Connections to Postgres by state; waiting: requests that have none yet.",
    labelNames: ["state"], registers,
    collect() {
      this.set({ state: "idle" }, pool.idleCount);
      this.set({ state: "used" }, pool.totalCount - pool.idleCount);
      this.set({ state: "waiting" }, pool.waitingCount);
    },
  });

  // Kept by log.mjs from the first moment on, so before there are metrics.
  new Counter({
    name: "imagerun_auth_unforeseen_total", help: "Exceptions, rejections and warnings that nothing handled, and what libraries printed.",
    labelNames: ["kind"], registers,
    collect() {
      this.reset();
      for (const [kind, n] of Object.entries(unforeseen)) this.inc({ kind }, n);
    },
  });

  const seconds = new Histogram({
    name: "imagerun_auth_request_seconds", help: "How long calls took, by route and class of status; 0xx: the caller left.",
    labelNames: ["route", "status"], buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10], registers,
  });

  const routes = new Set(Object.values(auth.api).map((endpoint) => endpoint.path));
  const record = (path, status, duration) => {
    const route = path.replace(/^\/reset-password\/.*/, "/reset-password/:token");
    seconds.observe({ route: routes.has(route) ? route : "other", status: `${Math.floor(status / 100)}xx` }, duration);
  };

  return { registry, record };
}
