#!/usr/bin/env bash
# Builds one of the programs that tools/go.mod pins into .imagerun/bin, unless it is there and
# tools/ has not changed since.
#
#   scripts/tool.sh versitygw|sqlc|oapi-codegen|golangci-lint
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
versitygw) package=github.com/versity/versitygw/cmd/versitygw ;;
sqlc) package=github.com/sqlc-dev/sqlc/cmd/sqlc ;;
oapi-codegen) package=github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen ;;
golangci-lint) package=github.com/golangci/golangci-lint/v2/cmd/golangci-lint ;;
*)
	echo "usage: scripts/tool.sh versitygw|sqlc|oapi-codegen|golangci-lint" >&2
	exit 2
	;;
esac

bin=.imagerun/bin
stamp=$bin/.$1.stamp
want=$(cat tools/go.mod tools/go.sum | cksum)

if [ -x "$bin/$1" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
	exit 0
fi

command -v go >/dev/null || {
	echo "tool: go was not found: install Go 1.26 or newer from https://go.dev/dl" >&2
	exit 1
}

echo "tool: building $1 (the first time takes a minute or more)" >&2
mkdir -p "$bin"

# sqlc without cgo carries its SQL parser as WebAssembly: no C compiler is needed.
if [ "$1" = sqlc ]; then export CGO_ENABLED=0; fi

(cd tools && GOWORK=off go build -buildvcs=false -trimpath -o "../$bin/.$1.new" "$package")
mv "$bin/.$1.new" "$bin/$1"
printf '%s\n' "$want" >"$stamp"
