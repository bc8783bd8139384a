#!/bin/sh
# generate.sh FOLDER writes the code generated from every .proto file of the repository below FOLDER, laid
# out as the repository is. It wants protoc and the pinned plugins of bin on PATH; `make generate` sees to that.
set -eu
cd "$(dirname "$0")/.."
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac

# generate MODULE IMPORTS FILE...: MODULE is the folder of a go.mod, IMPORTS the folder that import
# statements and the names of files are relative to.
generate() {
	module=$1 imports=$2
	shift 2
	[ -e "$1" ] || return 0
	mkdir -p "$out/$module"
	path=$(sed -n 's/^module //p' "$module/go.mod")
	protoc -I "$imports" \
		--go_out="$out/$module" --go_opt=module="$path" \
		--go-grpc_out="$out/$module" --go-grpc_opt=module="$path" "$@"
}

generate . . internal/rpccall/internal/testpb/*.proto
generate . . pandatest/internal/hellov1/*.proto
generate examples examples/proto examples/proto/*/*.proto
generate bench bench/internal/hellopb bench/internal/hellopb/*.proto
generate conformance conformance/drill/drillpb conformance/drill/drillpb/*.proto
