package config

import (
	"math"
	"net/netip"
	"strconv"
	"time"

	"imagerun/internal/redact"
)

// Environment says how strict to be.
type Environment string

// The environments.
const (
	Development Environment = "development" // simulators, plain http and private addresses are allowed
	Production  Environment = "production"
)

// Config is the whole configuration. The tags of its fields are its documentation and its
// defaults; durations and counts are always positive.
type Config struct {
	Env           Environment `key:"env" default:"production" doc:"development or production. Production refuses plain http towards people and vendors, and every switch meant for development."`
	AcceptedRisks []string    `key:"accepted_risks" doc:"What production would refuse and an operator accepts, by name: plain_postgres and plain_redis (no TLS to another machine), client_address (all callers seem to have one address). Each is said in the log of a start."`
	Log           Log         `key:"log" doc:"What the process says on standard error."`
	Postgres      Postgres    `key:"postgres" doc:"The database: the truth about everything."`
	Redis         Redis       `key:"redis" doc:"The belt that carries jobs. All of it may be lost at any time."`
	HTTP          HTTP        `key:"http" doc:"The public listener of the api."`
	Ops           Ops         `key:"ops" doc:"The private listener of each process: metrics, health, profiles; on the api also the queue dashboard."`
	Auth          Auth        `key:"auth" doc:"The Better Auth service that signs people up and in."`
	Fal           Fal         `key:"fal" doc:"fal.ai, which makes the images."`
	Storage       Storage     `key:"storage" doc:"The private bucket for images: Cloudflare R2, or another store that speaks S3."`
	Generation    Generation  `key:"generation" doc:"The life of a generation."`
	Credits       Credits     `key:"credits" doc:"What generations are paid with."`
	Creem         Creem       `key:"creem" doc:"Creem, who sells packs and plans for us. Without creem.key nothing is sold."`
	Payments      Payments    `key:"payments" doc:"What is sold, and the rights of those who buy."`
	Upload        Upload      `key:"upload" doc:"Pictures that users bring to start from."`
	Worker        Worker      `key:"worker" doc:"The job runners of the worker process."`
}

// Log is section log.
type Log struct {
	Level  string `key:"level" default:"info" doc:"The least severe level that is written: debug, info, warn or error."`
	Format string `key:"format" default:"json" doc:"json for machines, text for people."`
}

// Postgres is section postgres.
type Postgres struct {
	URL              redact.Secret `key:"url" doc:"Where the database is, as a member of the process's own role (imagerun_api, imagerun_worker, imagerun_scheduler; imagerun_operator for the commands): postgres://user:password@host:5432/imagerun."`
	MaxConns         int           `key:"max_conns" default:"10" doc:"The most connections this process opens, at least 4: a worker keeps one for its leases, and a job may need two at once."`
	StatementTimeout time.Duration `key:"statement_timeout" default:"10s" doc:"A statement that takes longer is ended."`
	OwnerURL         redact.Secret `key:"owner_url" doc:"The same database as the role that owns the tables. Only migrate needs it: leave it out of the other processes."`
}

// Redis is section redis.
type Redis struct {
	URL redact.Secret `key:"url" doc:"Where Redis is: redis://, rediss:// (TLS), redis+sentinel:// or redis+cluster://. With TLS, ?ca_file=, cert_file= and key_file= name PEM files: whom to believe in place of the system, and what to present. Redis 6.2 or newer with maxmemory-policy noeviction."`
}

// HTTP is section http.
type HTTP struct {
	Addr                string         `key:"addr" default:":8080" doc:"The address to listen on."`
	PublicURL           string         `key:"public_url" doc:"The origin that people and programs use, without a path: https://imagerun.example."`
	ClientAddressHeader string         `key:"client_address_header" doc:"The header in which the proxy before us writes the caller's address, such as X-Forwarded-For. Empty: the address of the connection counts."`
	TrustedProxies      []netip.Prefix `key:"trusted_proxies" doc:"The networks whose word about the caller's address is believed, such as 10.0.0.0/8. Needed with client_address_header."`
	AllowedOrigins      []string       `key:"allowed_origins" doc:"Other origins, such as https://studio.example, whose pages may call /v1 from a browser with an API key or a session token. The session cookie stays our own pages'."`
	MaxConns            int            `key:"max_conns" default:"4096" doc:"The most connections at once. One more is closed; so keep it below the process's limit of open files, and let the load balancer try another process."`
	MaxConnsPerAddress  int            `key:"max_conns_per_address" default:"128" doc:"The most connections at once of one IPv4 address or one IPv6 network of 64 bits. Trusted proxies and addresses that are not public may have more."`
}

// Ops is section ops.
type Ops struct {
	Addr     string        `key:"addr" default:"127.0.0.1:8081" doc:"The address to listen on. Keep it off the public network."`
	User     string        `key:"user" doc:"The operators' login."`
	Password redact.Secret `key:"password" doc:"The operators' password, at least 12 characters."`
}

// Auth is section auth.
type Auth struct {
	URL        string        `key:"url" doc:"Where the api reaches the Better Auth service: http://127.0.0.1:3005."`
	Secret     redact.Secret `key:"secret" doc:"The secret the service signs sessions with (its BETTER_AUTH_SECRET), at least 32 characters."`
	CookieName string        `key:"cookie_name" default:"__Host-imagerun.session_token" doc:"The exact name of the session cookie: the service's COOKIE_PREFIX and .session_token, with __Host- before it where the public origin is https."`
}

// Fal is section fal.
type Fal struct {
	Key               redact.Secret `key:"key" doc:"The API key from fal's dashboard, id:secret."`
	AdminKey          redact.Secret `key:"admin_key" doc:"Another key of the same account, with fal's ADMIN scope: it deletes payloads, and each night a worker reads with it what fal billed, to compare that with what was made. Empty: fal.key deletes, and must have that scope, and nothing is compared."`
	QueueURL          string        `key:"queue_url" default:"https://queue.fal.run" doc:"The queue API."`
	RestURL           string        `key:"rest_url" default:"https://rest.fal.ai" doc:"The API that publishes the keys webhooks are signed with."`
	APIURL            string        `key:"api_url" default:"https://api.fal.ai/v1" doc:"The platform API: finds requests and deletes their payloads."`
	MediaHosts        []string      `key:"media_hosts" default:"fal.media" doc:"Hosts that images may be downloaded from; subdomains are included."`
	AllowPrivateMedia bool          `key:"allow_private_media" default:"false" doc:"Development only: download images from private addresses and over plain http, as the simulator serves them."`
	WebhookURL        string        `key:"webhook_url" doc:"The origin at which fal calls the api, usually http.public_url. Empty: fal is only polled, as on a laptop that it cannot reach."`
	WebhookUserID     string        `key:"webhook_user_id" doc:"Our user id at fal, which each of its webhooks must name. Needed with webhook_url."`
	Slots             int           `key:"slots" default:"2" doc:"The most generations at fal at once. fal allows a new account 2 and raises that up to 40 with its invoices."`
}

// Storage is section storage.
type Storage struct {
	Endpoint   string        `key:"endpoint" doc:"Where the store is: https://<account id>.r2.cloudflarestorage.com."`
	Region     string        `key:"region" default:"auto" doc:"The region to sign for; R2's is auto."`
	AccessKey  string        `key:"access_key" doc:"The access key id of a token that may read and write objects in this bucket, and nothing else."`
	SecretKey  redact.Secret `key:"secret_key" doc:"The secret of that token."`
	Bucket     string        `key:"bucket" doc:"The bucket. It must exist, be private and have no public domain."`
	LinkWindow time.Duration `key:"link_window" default:"1h" doc:"A link to an image stays the same within one window, and works for one to two windows. At most 84h."`
}

// Generation is section generation.
type Generation struct {
	CallbackSecret        redact.Secret `key:"callback_secret" doc:"Proves that a webhook's address was made by us; the same for api and worker, at least 32 characters."`
	Deadline              time.Duration `key:"deadline" default:"10m" doc:"A generation not finished after this expires, unless its caller asked for another deadline."`
	MaxDeadline           time.Duration `key:"max_deadline" default:"1h" doc:"The longest deadline a caller may ask for."`
	UnknownWait           time.Duration `key:"unknown_wait" default:"90s" doc:"When it is not known whether fal took a request: how long to wait for news before asking and, if it did not, sending it again."`
	CollectFirst          time.Duration `key:"collect_first" default:"30s" doc:"The first look for a result whose webhook has not come."`
	CollectEvery          time.Duration `key:"collect_every" default:"60s" doc:"The time between later looks."`
	CollectWithoutWebhook time.Duration `key:"collect_without_webhook" default:"1s" doc:"The time between looks where there are no webhooks (fal.webhook_url is empty)."`
	OutputLifetime        time.Duration `key:"output_lifetime" default:"1h" doc:"How long fal is asked to keep images, in case it cannot be told to delete them."`
	CataloguePath         string        `key:"catalogue_path" doc:"A JSON file of models in place of the built-in one."`
	PlansPath             string        `key:"plans_path" doc:"A JSON file of plans in place of the built-in one."`
}

// Credits is section credits.
type Credits struct {
	Welcome     int             `key:"welcome" default:"20" doc:"How many credits a verified mailbox gets, once for ever. Needs welcome_keys."`
	WelcomeLife time.Duration   `key:"welcome_life" default:"720h" doc:"How long welcome credits last."`
	ValueUSD    string          `key:"value_usd" doc:"What a captured credit earns, in US dollars, such as \"0.012\": what is paid for one on average, after taxes and fees, with those that are given away. The scheduler sets it against what fal charged, by model. Empty: it is not known, and cost alone is exported."`
	WelcomeKeys []redact.Secret `key:"welcome_keys" doc:"Secrets of at least 32 characters, by which an address that had welcome credits is known again even when its account is gone; keep them for ever and outside of the database. The first is used; earlier ones still count. Empty: there are no welcome credits."`
}

// Value is what a captured credit earns in US dollars. Zero: it is not known.
func (c Credits) Value() float64 {
	v, err := strconv.ParseFloat(c.ValueUSD, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}

	return v
}

// Creem is section creem.
type Creem struct {
	Key            redact.Secret   `key:"key" doc:"The API key from Creem's dashboard; the api and the worker need it to sell. Empty: nothing is sold."`
	Environment    string          `key:"environment" default:"test" doc:"The world of Creem that the key is of: test or live. The products have an id in each, and webhooks of the other are refused."`
	URL            string          `key:"url" doc:"The API. Empty: https://test-api.creem.io, or https://api.creem.io where environment is live."`
	WebhookSecrets []redact.Secret `key:"webhook_secrets" doc:"The secrets of the webhook endpoint at Creem whose address is http.public_url and /webhooks/creem; while one replaces the other, both. Empty: no webhook is believed, and payments are found by comparing the books."`
	FeedEndpoint   string          `key:"feed_endpoint" doc:"The id of a second webhook endpoint at Creem, of delivery mode cli: its events wait until a worker has fetched them. Empty: there is none."`
	AllowPlainHTTP bool            `key:"allow_plain_http" default:"false" doc:"Development only: pay at pages of this machine over plain http, as the simulator serves them."`
}

// Payments is section payments.
type Payments struct {
	ProductsPath string `key:"products_path" doc:"A JSON file of products in place of the built-in one, whose ids at Creem are those of the simulator."`
	Withdrawal   bool   `key:"withdrawal" default:"true" doc:"Whether people can withdraw from a contract within 14 days, as the law of the EU has it."`
	Waiver       bool   `key:"waiver" default:"true" doc:"Whether people may agree, when they buy, that credits which they use within the 14 days are not paid back."`
}

// Upload is section upload.
type Upload struct {
	MaxBytes   int           `key:"max_bytes" default:"20971520" doc:"The largest file, in bytes. At most 33554432."`
	MaxOpen    int           `key:"max_open" default:"50" doc:"The most uploads of one user from which no generation has begun at a provider."`
	LinkLife   time.Duration `key:"link_life" default:"15m" doc:"How long the link for sending a file works. At most 24h."`
	KeepUnused time.Duration `key:"keep_unused" default:"24h" doc:"How long an upload is kept that no generation uses."`
}

// Worker is section worker.
type Worker struct {
	Queues   Queues        `key:"queues" default:"generation=50,vendor=10,retention=4" doc:"The queue groups this worker serves and how many jobs of each run at once. A group is one or several queues that share these; worker --help lists them with their weights. A group that no worker serves waits."`
	SoftStop time.Duration `key:"soft_stop" default:"20s" doc:"When told to stop: how long running jobs may finish; then they are handed back."`
	HardStop time.Duration `key:"hard_stop" default:"45s" doc:"When told to stop: the process ends after this whatever still runs. Longer than soft_stop, shorter than the platform's patience."`
}
