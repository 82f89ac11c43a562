package desk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/payments/db"
	"imagerun/internal/publicid"
	"imagerun/internal/redact"
)

// ErrName answers for a text that no purchase could be called by.
var ErrName = errors.New("no name of a purchase: that is an id of ours (ord_, sub_, cko_ and 32 digits, or as logs have it), " +
	"an id of the vendor's (ord_, tran_, sub_, ch_) or a support code (they look like 4X9KQ-7M2AB)")

// What a name can mean.
const (
	kindOrder        = "order"
	kindSubscription = "subscription"
	kindCheckout     = "checkout"
)

// recentCheckouts is how long ago a checkout may have begun to be shown with what its person bought.
const recentCheckouts = 90 * 24 * time.Hour

// isVendorID recognizes what the vendor calls what people buy.
var isVendorID = regexp.MustCompile(`^(ch|ord|sub|tran)_[A-Za-z0-9_-]{1,100}$`).MatchString

// Name is what an operator calls a purchase by.
type Name struct {
	Text string

	first, last uuid.UUID       // equal: an id
	vendorID    string          // empty: it cannot be one
	address     redact.Personal // zero: it is none
}

// ParseName reads a name. Errors: [ErrName].
func ParseName(text string) (Name, error) {
	n := Name{Text: text}
	if isVendorID(text) {
		n.vendorID = text
	}

	// The vendor has some of our prefixes, too.
	for _, prefix := range []string{publicid.PrefixOrder, publicid.PrefixSubscription, publicid.PrefixCheckout} {
		if id, ok := publicid.Parse(prefix, strings.ToLower(text)); ok {
			n.first, n.last = id, id

			return n, nil
		}
	}

	if id, err := uuid.Parse(text); err == nil {
		n.first, n.last = id, id

		return n, nil
	}

	if n.vendorID != "" {
		return n, nil
	}

	var err error
	if n.first, n.last, err = publicid.CodeRange(text); err != nil {
		return n, fmt.Errorf("%q is %w", text, ErrName)
	}

	return n, nil
}

// NameOfAddress is the name of all that the people of an address bought. Its text is not the address.
func NameOfAddress(address redact.Personal) Name { return Name{Text: "that address", address: address} }

// target is something that a name means.
type target struct {
	kind string
	id   uuid.UUID
}

func (t target) publicID() string {
	switch t.kind {
	case kindOrder:
		return publicid.Format(publicid.PrefixOrder, t.id)
	case kindSubscription:
		return publicid.Format(publicid.PrefixSubscription, t.id)
	default:
		return publicid.Format(publicid.PrefixCheckout, t.id)
	}
}

// findTargets returns what a name means: at least one. Errors: [ErrNothing].
func (d *Desk) findTargets(ctx context.Context, n Name) ([]target, error) {
	var (
		rows []db.DeskFindRow
		err  error
	)

	if n.address.IsZero() {
		rows, err = d.db.DeskFind(ctx, d.Pool, db.DeskFindParams{First: n.first, Last: n.last, VendorID: n.vendorID})
	} else {
		rows, err = d.findOfAddress(ctx, n.address)
	}

	switch {
	case err != nil:
		return nil, fmt.Errorf("look for %s: %w", n.Text, err)
	case len(rows) == 0:
		return nil, fmt.Errorf("%s: %w", n.Text, ErrNothing)
	}

	found := make([]target, len(rows))
	for i, r := range rows {
		found[i] = target{r.Kind, r.ID}
	}

	return found, nil
}

// findOfAddress tells the database the digest of an address, and not the address: statements may be in its log.
func (d *Desk) findOfAddress(ctx context.Context, address redact.Personal) (list []db.DeskFindRow, err error) {
	digest := sha256.Sum256([]byte(strings.ToLower(strings.Trim(address.Reveal(), " "))))

	rows, err := d.db.DeskFindOfAddress(ctx, d.Pool, db.DeskFindOfAddressParams{Digest: digest[:], Since: d.Now().Add(-recentCheckouts)})
	for _, r := range rows {
		list = append(list, db.DeskFindRow(r))
	}

	return list, err
}
