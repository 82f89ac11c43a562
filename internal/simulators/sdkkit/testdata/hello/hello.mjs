// Tells the address that it was given what the scenario says, and prints what came of it.
const [base, scenario] = process.argv.slice(2)
process.stderr.write(`${scenario}\n`)
if (scenario === 'fail') process.exit(3)
process.stdout.write(JSON.stringify({ answered: await (await fetch(base, { method: 'POST', body: scenario })).text() }))
