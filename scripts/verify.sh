#!/usr/bin/env bash
# Fails when something that `make generate` makes differs from what is in the tree. The tree
# is left as it was.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0

complain() {
	echo "verify: $*" >&2
	bad=1
}

unformatted=$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 gofmt -l)
if [ -n "$unformatted" ]; then complain "not formatted by gofmt: $unformatted"; fi

.imagerun/bin/sqlc diff || complain "code made from queries.sql is stale: run make generate"

# The HTTP code is made again in place, compared, and put back.
before=$(mktemp -d)
trap 'cp -R "$before"/. .; rm -rf "$before"' EXIT
git ls-files --cached --others --exclude-standard '*.gen.go' | while read -r file; do
	mkdir -p "$before/$(dirname "$file")"
	cp "$file" "$before/$file"
done

go generate ./...

while read -r file; do
	cmp -s "$file" "$before/$file" || complain "$file is stale: run make generate"
done < <(git ls-files --cached --others --exclude-standard '*.gen.go')

go run ./cmd/imagerun config example | cmp -s - config.example.yaml || complain "config.example.yaml is stale: run make generate"

# The benchmarks are a module of their own, which a change of the product's dependencies leaves behind.
(cd bench && go vet ./...) || complain "bench does not build: run go mod tidy there"

exit $bad
