#!/usr/bin/env bash
# Fails when something that `make generate` makes differs from what is in the tree. Nothing in
# the tree is changed: generators that cannot compare run in a copy.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
bad=0

stale() {
	echo "verify: $1 is stale: run make generate" >&2
	bad=1
}

unformatted=$(gofmt -l $(git ls-files --cached --others --exclude-standard '*.go'))
if [ -n "$unformatted" ]; then
	echo "verify: not formatted by gofmt: $unformatted" >&2
	bad=1
fi

.imagerun/bin/sqlc diff || stale "code from queries.sql"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | tar --null --no-recursion -T - -cf - 2>/dev/null | tar -xf - -C "$copy"
(cd "$copy" && PATH="$root/.imagerun/bin:$PATH" go generate ./...)

while read -r file; do
	cmp -s "$file" "$copy/$file" || stale "$file"
done < <(git ls-files --cached --others --exclude-standard '*.gen.go')

go run ./cmd/imagerun config example | cmp -s - config.example.yaml || stale config.example.yaml

exit $bad
