// The entrance. Everything else is imported when nothing can print past the log any more.

import { help, load } from "./config.mjs";
import { captureOutput, end } from "./log.mjs";

const known = ["--help", "--with-parent"];
const unknown = process.argv.slice(2).filter((a) => !known.includes(a));
if (unknown.length || process.argv.includes("--help")) {
  (unknown.length ? process.stderr : process.stdout).write(help);
  process.exit(unknown.length ? 2 : 0);
}

captureOutput();
const config = load(process.env);

try {
  const { run } = await import("./service.mjs");
  await run(config);
} catch (err) {
  end(err);
}
