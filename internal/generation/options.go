package generation

import (
	"time"

	"github.com/google/uuid"

	"imagerun/internal/redact"
)

// Options are the settings; config.go's section generation documents them for operators.
type Options struct {
	Slots          int           // generations in progress at the provider, over all users
	Deadline       time.Duration // from submit to expiry, unless the caller says
	MaxDeadline    time.Duration // the longest the caller may say
	UnknownWait    time.Duration // how long a callback may solve an unknown submit before we ask
	CollectFirst   time.Duration // from submit to the first look, where callbacks are expected
	CollectEvery   time.Duration // from look to look, where callbacks are expected
	PollEvery      time.Duration // from look to look, where none can come
	OutputLifetime time.Duration // how long the provider keeps its copy of the output
	CallbackURL    string        // public base of the callbacks; empty: none can come
	CallbackSecret redact.Secret // signs the callbacks' tokens
}

// Notifier tells watchers, wherever they are, that a generation changed. Notifications may be lost;
// Notify never blocks.
type Notifier interface {
	Notify(userRef string, id uuid.UUID, sequence int64)
}
