// JSON lines on standard output, without anybody's data.
//
// Better Auth puts addresses and URLs behind a colon in its messages ("Invalid origin: …") and
// whole errors in its arguments (a unique violation repeats the email). So of a message only
// what precedes the first colon is kept, and of an error its name and code.

export function log(level, msg, attrs = {}) {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level: level.toUpperCase(), msg, ...attrs })}\n`);
}

export function fault(err) {
  return err instanceof Error ? { error: err.name, code: err.code ?? err.status } : {};
}

// Libraries below Better Auth print whole errors to the console: stacks, and the values of a failed statement.
export function quietConsole() {
  for (const name of ["error", "warn", "info", "log", "debug", "trace"]) {
    console[name] = (...args) => log(name === "error" ? "error" : "warn", "a library printed", fault(args.find((a) => a instanceof Error)));
  }
}

export const betterAuthLogger = {
  level: "warn",
  log: (level, message, ...args) =>
    log(level, `better auth: ${String(message).split(":")[0].slice(0, 120)}`, fault(args.find((a) => a instanceof Error))),
};
