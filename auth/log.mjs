// JSON lines on standard output, without anybody's data, and nothing else.
//
// Better Auth puts addresses and URLs behind a colon in its messages ("Invalid origin: …") and
// whole errors in its arguments (a unique violation repeats the email). So of a message only
// what precedes the first colon is kept, and of an error its name, its code and where it was thrown.

const write = process.stdout.write.bind(process.stdout);

// Prints plain text for whoever started the program wrongly. It is no log line.
export const tell = process.stderr.write.bind(process.stderr);

// How often something spoke that should not have; the metrics show it.
export const unforeseen = { exception: 0, rejection: 0, warning: 0, print: 0 };

export function log(level, msg, attrs = {}) {
  write(`${JSON.stringify({ time: new Date().toISOString(), level: level.toUpperCase(), msg, ...attrs })}\n`);
}

export function fault(err) {
  return err instanceof Error ? { error: err.name, code: err.code ?? err.status, at: thrownAt(err) } : {};
}

// The file and line of the first frame: of a stack it is all that says nothing about anybody.
function thrownAt(err) {
  return /^ {4}at .*?([\w.-]+:\d+:\d+)\)?$/m.exec(err.stack ?? "")?.[1];
}

function report(kind, level, msg, err) {
  unforeseen[kind]++;
  log(level, msg, fault(err));
}

// Takes over whatever else would print: libraries, by the console or past it, whole errors and the values of a failed
// statement among it; Node's warnings; and its last words about an exception that nobody caught.
export function captureOutput() {
  for (const name of ["error", "warn", "info", "log", "debug", "trace"]) {
    console[name] = (...args) => report("print", name === "error" ? "error" : "warn", "a library printed", args.find((a) => a instanceof Error));
  }

  for (const stream of [process.stdout, process.stderr]) {
    stream.write = (_, encoding, done) => {
      report("print", "warn", "a library printed");
      const written = typeof encoding === "function" ? encoding : done;
      if (written) process.nextTick(written);

      return true;
    };
  }

  process.removeAllListeners("warning"); // Node's own, which prints
  process.on("warning", (err) => report("warning", "warn", "node warned", err));
  process.on("unhandledRejection", (err) => report("rejection", "error", "background task failed", err));
  process.on("uncaughtException", end);
}

// Ends the process, whose state nobody knows any more; whoever supervises it starts another one.
export function end(err) {
  report("exception", "error", "ended by an exception that nothing caught", err);
  process.exit(1);
}

export const betterAuthLogger = {
  level: "warn",
  log: (level, message, ...args) =>
    log(level, `better auth: ${String(message).split(":")[0].slice(0, 120)}`, fault(args.find((a) => a instanceof Error))),
};
