package arch_test

import "slices"

// The rule in one line; an arrow only goes down:
//
//	cmd → app → {httpapi, ops, domain/vendor, queue/asynqueue} → domain → {queue, queue/durable} → foundation
//
// A row says what the packages it matches may import of this module, outside their tests. The
// first row that matches counts. "x/..." matches x and everything below it. A package may
// always import its own generated code (x/db) and nobody else may.
type row struct {
	packages string
	may      []string
	because  string // shown with a failure: where the code should go instead
}

var (
	foundation = []string{"internal/fault", "internal/clock", "internal/redact", "internal/postgres", "internal/telemetry"}
	vendor     = append([]string{"internal/outbound"}, foundation...)
	jobs       = []string{"internal/jobs", "queue", "queue/durable"}
)

func list(groups ...[]string) []string { return slices.Concat(groups...) }

var rows = []row{
	// Packages named …test serve tests, and only tests and each other may import them.
	{"*test", []string{"..."}, ""},

	{"api", nil, "the contract and the code that embeds it stand alone"},
	{"migrations", nil, "SQL and the code that embeds it stand alone"},
	{"web/...", nil, "pages and the code that embeds them stand alone"},

	{"queue", nil, "queue is the public contract: standard library, uuid and pgx.Tx only"},
	{"queue/batcher", nil, "batcher does many at once, whatever it is"},
	{"queue/internal/loop", nil, "loop does something again and again, whatever it is"},
	{"queue/internal/logthrottle", nil, "logthrottle says when a message is logged, and nothing else"},
	{"queue/durable/...", []string{"queue", "queue/batcher", "queue/internal/..."}, "the queue is a library: what knows of the product belongs to internal/jobs or the domain"},
	{"queue/asynqueue/...", []string{"queue", "queue/durable", "queue/batcher", "queue/internal/..."}, "the queue is a library: what knows of the product belongs to internal/jobs or the domain"},

	{"internal/fault", nil, "every package imports fault, so it imports none"},
	{"internal/clock", nil, "every package imports clock, so it imports none"},
	{"internal/redact", nil, "every package imports redact, so it imports none"},
	{"internal/telemetry", []string{"internal/fault", "internal/redact", "internal/clock"}, "telemetry is foundation: what it shows is registered with it by app"},
	{"internal/postgres", []string{"internal/clock", "internal/fault", "internal/redact", "internal/telemetry", "migrations", "queue"}, "postgres is foundation: queries belong to the package that owns the table"},
	{"internal/config", []string{"internal/redact", "internal/fault"}, "config holds values; app turns its sections into each package's options"},
	{"internal/devstack", []string{"internal/postgres", "migrations"}, "devstack starts servers; what runs on them belongs to app or apptest"},
	{"internal/arch", nil, "arch only reads"},
	{"internal/outbound", []string{"internal/fault"}, "outbound is how any vendor is called: what only one does is in its client"},

	{"internal/simulators/kit/...", []string{"internal/simulators/kit/..."}, "the kit is for every vendor: what only one does is in that vendor's simulator"},
	{"internal/simulators/sdkkit", nil, "sdkkit runs a script, whatever the vendor"},
	{"internal/simulators/...", []string{"internal/simulators/kit/..."}, "a simulator judges our client of the vendor: the kit is all that it shares, and nothing of ours"},

	{"internal/retention", list([]string{"internal/jobs", "queue"}, foundation), "retention knows classes, and nothing of what is in them: each domain says its own"},
	{"internal/jobs", []string{"queue"}, "jobs are the tables of kinds, schedules and groups: handlers belong to the domains"},
	{"internal/jobs/jobaudit", list([]string{"internal/retention"}, jobs, foundation), "the record of what operators did to jobs knows nothing of what jobs do"},
	{"internal/auth", foundation, "auth is a domain: vendors below it are chosen by app"},
	{"internal/auth/proxy", list([]string{"internal/auth", "internal/auth/device", "internal/ratelimit"}, foundation), "the proxy knows its parent and who counts"},
	{"internal/auth/betterauth", list([]string{"internal/auth", "internal/jobs", "internal/retention", "queue"}, foundation), "a vendor of auth knows its parent and the foundation, and says what it keeps"},
	{"internal/auth/...", list([]string{"internal/auth"}, foundation), "a vendor of auth knows its parent and the foundation"},
	{"internal/providers", foundation, "providers says what a model provider is; clients are below it"},
	{"internal/providers/...", list([]string{"internal/providers"}, vendor), "a provider's client knows its parent, outbound and the foundation"},
	{"internal/storage", foundation, "storage says what a bucket is; clients are below it"},
	{"internal/storage/sweep/...", list([]string{"internal/retention", "internal/storage"}, jobs, foundation), "a sweep knows what a bucket is; the tables come to it as sources"},
	{"internal/storage/...", list([]string{"internal/storage"}, vendor), "a bucket's client knows its parent, outbound and the foundation"},
	{"internal/publicid", []string{"internal/fault"}, "publicid writes ids and reads them, and knows nothing of what has them"},
	{"internal/support", list([]string{"internal/publicid"}, foundation), "support finds what a user names; what it shows is the domain's"},
	{"internal/strictjson", nil, "strictjson decodes files, whatever they hold"},
	{"internal/plan", list([]string{"internal/strictjson"}, foundation), "a plan is data, and knows nobody who has it"},
	{"internal/user", list([]string{"internal/plan"}, foundation), "user knows names and plans: what somebody did is each domain's"},
	{"internal/ratelimit", foundation, "ratelimit knows whom it counts by opaque ids, and nothing of plans"},
	{"internal/cache", []string{"internal/clock"}, "a cache knows how old a reading is, and nothing of what was read"},
	{"internal/notify", list([]string{"queue/batcher"}, foundation), "notify knows users and ids, and nothing of what changed"},
	{"internal/idempotency", list([]string{"internal/jobs", "internal/retention", "queue"}, foundation), "idempotency knows nothing of what is made once"},
	{"internal/inbox", list([]string{"internal/retention"}, jobs, foundation), "inbox keeps what vendors send: who a vendor is, and what its events do, comes to it"},
	{"internal/credits", list([]string{"internal/cache", "internal/jobs", "internal/retention", "queue"}, foundation), "credits knows what is held for whom, and nothing of what is made"},
	{"internal/picture", foundation, "picture reads bytes and knows nothing of where they come from or go to"},
	{"internal/payments", foundation, "payments is the words of its parts: what is done is in the packages below it"},
	{"internal/payments/products", list([]string{"internal/strictjson"}, foundation), "products are data, and know nothing of who buys"},
	{"internal/payments/creem", list([]string{"internal/inbox", "internal/payments"}, vendor), "the vendor's client knows its parent, what a webhook is, outbound and the foundation"},
	{"internal/payments/books", list([]string{"internal/credits", "internal/inbox", "internal/payments", "internal/payments/products", "internal/plan", "internal/retention", "internal/user"}, jobs, foundation), "books keep what was paid and what it gives: who sells, and how, is not theirs"},
	{"internal/payments/...", list([]string{
		"internal/credits", "internal/idempotency", "internal/payments", "internal/payments/books", "internal/payments/products", "internal/payments/refunds", "internal/plan", "internal/publicid",
		"internal/retention", "internal/user",
	}, jobs, foundation), "what sells, changes and compares goes by the books: the vendor is passed in by app"},
	{"internal/upload", list([]string{"internal/picture", "internal/plan", "internal/publicid", "internal/retention", "internal/storage", "internal/user"}, jobs, foundation), "upload knows nothing of generations: they ask it for a reference"},
	{"internal/generation", list([]string{"internal/credits", "internal/generation/catalogue", "internal/idempotency", "internal/picture", "internal/publicid"}, foundation), "generation is the words of its phases: what is done is in the phases below it"},
	{"internal/generation/admission/estimate", list([]string{"internal/cache"}, foundation), "an estimate knows times, and nothing of whose"},
	{"internal/generation/admission/fairqueue", nil, "the order of turns is arithmetic: what is read and written is admission's"},
	{"internal/generation/catalogue", list([]string{"internal/strictjson"}, foundation), "the catalogue is data, and knows nothing of who asks"},
	{"internal/generation/task", list([]string{"internal/credits", "internal/generation", "internal/generation/catalogue", "internal/providers"}, jobs, foundation), "every phase changes the row by task, so task knows none of them"},
	{"internal/generation/breaker", list([]string{"internal/generation"}, foundation), "a breaker counts failures, and knows nothing of what failed"},
	{"internal/generation/admission", list([]string{
		"internal/credits", "internal/generation", "internal/generation/admission/...", "internal/generation/breaker", "internal/generation/catalogue", "internal/cache",
		"internal/generation/task", "internal/plan",
	}, jobs, foundation), "admission gives turns: what is done with one is attempt's"},
	{"internal/generation/history", list([]string{
		"internal/credits", "internal/generation", "internal/generation/admission", "internal/generation/catalogue", "internal/generation/task", "internal/picture", "internal/storage", "internal/user",
	}, jobs, foundation), "history shows: what changes something belongs to another phase"},
	{"internal/generation/intake", list([]string{
		"internal/credits", "internal/generation", "internal/generation/admission", "internal/generation/admission/estimate", "internal/generation/catalogue", "internal/generation/history", "internal/generation/task",
		"internal/idempotency", "internal/picture", "internal/plan", "internal/publicid", "internal/user",
	}, jobs, foundation), "intake accepts: it calls nobody outside"},
	{"internal/generation/attempt", list([]string{
		"internal/generation", "internal/generation/breaker", "internal/generation/catalogue", "internal/generation/task", "internal/picture", "internal/providers", "internal/storage",
	}, jobs, foundation), "attempt calls the provider: whose turn it is comes from admission"},
	{"internal/generation/erasure", list([]string{
		"internal/generation", "internal/generation/attempt", "internal/generation/task", "internal/providers", "internal/retention", "internal/storage", "internal/user",
	}, jobs, foundation), "erasure undoes what attempt did, and nothing undoes erasure"},
	{"internal/generation/bills", list([]string{"internal/generation", "internal/generation/task", "internal/providers", "internal/retention"}, jobs, foundation), "bills compare: they change no generation"},
	{"internal/generation/phases", list([]string{
		"internal/credits", "internal/generation", "internal/generation/...", "internal/picture", "internal/plan", "internal/providers", "internal/retention", "internal/storage", "internal/user",
	}, jobs, foundation), "phases only puts the phases together"},
	{"internal/generation/...", list([]string{"internal/generation"}, foundation), "a part of generation knows its parent and the foundation"},

	{"internal/httpapi/...", list([]string{
		"api", "web/...", "queue", "internal/auth", "internal/auth/apikey", "internal/credits", "internal/generation", "internal/generation/archive", "internal/generation/catalogue",
		"internal/idempotency", "internal/payments/checkout", "internal/payments/orders", "internal/payments/products", "internal/payments/subscriptions",
		"internal/payments/withdrawal", "internal/plan", "internal/providers", "internal/publicid", "internal/ratelimit", "internal/storage", "internal/upload",
	}, foundation), "httpapi translates: rules belong to the domain, vendors are passed in by app"},
	{"internal/ops/...", list([]string{"queue", "queue/durable", "internal/auth", "internal/auth/device", "internal/ratelimit"}, foundation), "ops shows what app registers with it"},

	{"internal/cli", list([]string{"internal/config", "internal/credits", "internal/publicid", "internal/support"}, jobs, foundation), "cli is what every group of commands needs: what one does is in its folder of cmd/imagerun"},

	{"internal/app", []string{
		"api", "web/...", "migrations", "queue/...", "internal/auth/...", "internal/clock", "internal/config", "internal/credits", "internal/fault",
		"internal/generation/...", "internal/httpapi", "internal/idempotency", "internal/inbox", "internal/jobs/...", "internal/notify", "internal/ops", "internal/outbound", "internal/payments/...", "internal/picture", "internal/plan", "internal/postgres",
		"internal/providers/...", "internal/ratelimit", "internal/redact", "internal/retention", "internal/storage/...", "internal/telemetry", "internal/upload", "internal/user",
	}, "app wires the product; simulators and private servers are for cmd/imagerun and apptest"},
	{"deploy", nil, "deploy holds files and the test that reads them"},

	{"cmd/imagerun", []string{"cmd/imagerun/...", "internal/app", "internal/cli", "internal/config"}, "main only assembles: a group of commands is a folder of its own"},
	{"cmd/imagerun/simulators", []string{"internal/cli", "internal/simulators/..."}, "a simulator shares nothing with us"},
	{"cmd/imagerun/demo", []string{"cmd/imagerun/simulators", "internal/cli", "internal/config", "internal/devstack", "internal/payments/products", "internal/plan", "internal/simulators/...", "internal/user"}, "the demo starts the programs, and does what a person would"},
	{"cmd/imagerun/payments", list([]string{
		"internal/app", "internal/cli", "internal/config", "internal/credits", "internal/payments", "internal/payments/books", "internal/payments/desk",
		"internal/payments/reconcile", "internal/payments/refunds",
	}, jobs, foundation), "the commands ask and print: what is found, returned and compared is payments'"},
	{"cmd/imagerun/...", list([]string{
		"migrations", "internal/app", "internal/cli", "internal/config", "internal/credits", "internal/generation", "internal/publicid", "internal/generation/history", "internal/generation/phases", "internal/storage/...", "internal/support",
	}, jobs, foundation), "a group of commands asks and prints: rules belong to the domain, what two groups need to internal/cli, wiring to internal/app"},
	{"cmd/...", []string{"internal/app", "internal/config"}, "a main says which process it is: wiring belongs to internal/app"},
}

// owner says who may import a third party's packages, outside tests. The longest prefix counts;
// a third party that is not here may be imported by anyone.
type owner struct {
	prefix   string
	packages []string // patterns as in rows; empty: tests alone
	file     string   // anyone may in a file of this name
	because  string
}

var owners = []owner{
	{"github.com/hibiken/", []string{"queue/asynqueue/..."}, "", "asynq must be replaceable: the queue's words are in package queue"},
	{"github.com/spf13/viper", []string{"internal/config"}, "", "configuration arrives as a typed value"},
	{"github.com/go-viper/", []string{"internal/config"}, "", "configuration arrives as a typed value"},
	{"github.com/spf13/cobra", []string{"cmd/...", "internal/app", "internal/cli/..."}, "", "flags are for programs"},
	{"github.com/sony/gobreaker", []string{"internal/outbound"}, "", "vendors are called by outbound"},
	{"code.dny.dev/ssrf", []string{"internal/outbound", "internal/simulators/kit/..."}, "", "addresses that somebody else chose are called by outbound"},
	{"github.com/aws/", []string{"internal/storage/r2"}, "", "the domain sees storage.Bucket"},
	{"github.com/pressly/goose", []string{"internal/postgres"}, "", "postgres.Migrate is the one way to migrate"},
	{"github.com/getkin/kin-openapi", []string{"internal/httpapi/..."}, "", "the HTTP contract stays at the edge"},
	{"github.com/oapi-codegen/", []string{"internal/httpapi/..."}, "", "the HTTP contract stays at the edge"},
	{"github.com/santhosh-tekuri/jsonschema", []string{"internal/httpapi/..."}, "", "the HTTP contract stays at the edge"},
	{"github.com/prometheus/", []string{"internal/telemetry", "internal/ops/...", "internal/app", "queue/asynqueue"}, "metrics.go", "metrics of a package are in its metrics.go"},
	{
		"github.com/redis/go-redis",
		[]string{"queue/asynqueue/...", "internal/notify", "internal/ratelimit", "internal/devstack/...", "internal/app", "internal/apptest"},
		"", "Redis is a belt: jobs go by queue, notifications by notify, counts by ratelimit",
	},
	{"github.com/HugoSmits86/nativewebp", []string{"internal/simulators/...", "*test"}, "", "we decode WebP and never make it"},
	{"github.com/kovidgoyal/", []string{"internal/picture"}, "", "what a colour profile means is said where pictures are read"},
	{"github.com/stretchr/testify", []string{"*test"}, "", "assertions are for tests"},
	{"github.com/google/go-cmp", []string{"*test"}, "", "assertions are for tests"},
	{"pgregory.net/rapid", []string{"*test"}, "", "assertions are for tests"},
	{"github.com/anishathalye/porcupine", nil, "", "assertions are for tests"},
	{"go.uber.org/goleak", []string{"*test"}, "", "assertions are for tests"},
	{"github.com/compose-spec/", nil, "", "only the test of compose.yaml reads it"},
}

// vague are names that say nothing about what is inside.
var vague = []string{
	"util", "utils", "common", "helper", "helpers", "misc", "base", "types", "models", "manager", "impl", "shared", "lib", "core", "service", "services",
}
