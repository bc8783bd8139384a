#!/usr/bin/env bash
# Takes a machine that has nothing but Docker and Go to a cluster, and tries it under load:
#
#   three Consul servers and the agent of this host; hello and panda with three replicas each, and a web page;
#   hello upgraded while it is called without a pause; the Consul server that leads killed while all are called.
#
# It prints what it does and, at the end, how many calls were made and how many failed. It exits with 1 when a call failed
# or a step did, and removes all that it has made, unless KEEP=1 leaves it running ("run.sh down" removes it then).
#
#   examples/cluster/run.sh          run all of it, in one to three minutes once images and programs are there
#   examples/cluster/run.sh down     remove what a run with KEEP=1, or one that was killed, has left
#
# CONSUL_IMAGE   the Consul to run; default: the release that "panda deploy" pins, pulled when it is not there, and if it
#                cannot be pulled, one that "panda consul install" builds. CONSUL_IMAGE=build builds at once
# PANDA          a panda that is built already
# CALLERS        how many call each service at once, default 4
# CALLS          how many calls each service gets at least while hello is upgraded, and again while the leader is lost; default 1000
# AGENT_PORT     port of 127.0.0.1 for the agent's pages and API, default 8500
# WEB_PORT       port of 127.0.0.1 for the web page, default 8080
set -euo pipefail

project=panda-example
callers=${CALLERS:-4}
calls=${CALLS:-1000}
agent_port=${AGENT_PORT:-8500}
web_port=${WEB_PORT:-8080}
examples=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=${TMPDIR:-/tmp}/$project
phases=()

say() { printf '\n== %s\n' "$*"; }

die() {
	printf 'run.sh: %s\n' "$*" >&2
	exit 1
}

# run shows a command, and runs it.
run() {
	printf '$ %s\n' "${*//"${panda:-panda}"/panda}"
	"$@"
}

# compose is Docker Compose, as a plugin of docker or as a program of its own.
compose() { "${compose[@]}" --project-name "$project" --file "$work/deploy/compose.yaml" "$@"; }

# await repeats a command until it succeeds: await SECONDS WHAT COMMAND...
await() {
	local seconds=$1 what=$2 began=$SECONDS
	shift 2
	until "$@" >"$work/await" 2>&1; do
		if ((SECONDS - began >= seconds)); then
			cat "$work/await" >&2
			die "$what: not within $seconds s"
		fi
		sleep 0.2
	done
}

remove() {
	docker ps --all --quiet --filter "network=${project}_default" | xargs docker rm --force --volumes >/dev/null 2>&1 || true
	if [[ -f $work/deploy/compose.yaml ]]; then
		compose down --volumes --remove-orphans --timeout 1 >/dev/null 2>&1 || true
	fi
	docker images --quiet --filter "reference=$project/*" | sort -u | xargs docker rmi --force >/dev/null 2>&1 || true
	rm -rf "$work"
}

# finish is how every run ends.
finish() {
	local code=$?
	trap - EXIT
	if ((code != 0)) && [[ -f $work/deploy/compose.yaml ]]; then
		say "what the containers say"
		compose logs --no-color --tail=20 2>&1 | tail -200 || true
		for name in upgrade leader; do docker logs "$project-load-$name" 2>&1 | tail -20 || true; done
	fi
	if [[ ${KEEP:-} == 1 ]]; then
		printf '\nIt runs on: the page at http://127.0.0.1:%s, the agent at http://127.0.0.1:%s/ui. "%s down" removes it.\n' "$web_port" "$agent_port" "$0"
	else
		remove
	fi
	exit "$code"
}

need() {
	command -v docker >/dev/null || die "docker is not on PATH: install Docker"
	docker version >/dev/null 2>&1 || die "no container engine answers: start Docker, or set DOCKER_HOST"
	if docker compose version >/dev/null 2>&1; then
		compose=(docker compose)
	elif command -v docker-compose >/dev/null; then
		compose=(docker-compose)
	else
		die "Docker has no Compose: install its plugin, docker-compose-plugin"
	fi
	[[ -n ${PANDA:-} ]] || command -v go >/dev/null || die "go is not on PATH: install Go from https://go.dev/dl"
}

# consul_image sets $image to the Consul that is deployed: an image that is there, can be pulled, or is made here.
consul_image() {
	image=${CONSUL_IMAGE:-$(sed -n 's/^ *image: *"\{0,1\}\(hashicorp\/consul:[^" ]*\)"\{0,1\}.*/\1/p' "$work/deploy/compose.yaml" | head -n 1)}
	if [[ $image != build ]]; then
		if docker image inspect "$image" >/dev/null 2>&1 || run docker pull "$image"; then
			return
		fi
		[[ -z ${CONSUL_IMAGE:-} ]] || die "there is no image $image, and it cannot be pulled"
		printf 'It cannot be pulled: Consul is built here.\n'
	fi
	run "$panda" consul install
	image=$project/consul:built
	run "$panda" image --binary "$("$panda" consul install | sed -n 's/^.*: \(\/.*\)$/\1/p' | head -n 1)" --name "$image" --health none --volume /consul/data --expose 8500
}

# adapt makes the file that was written fit this machine: free ports, the project's name as older Composes take it, on the command
# line alone, and a Consul that was packed here, which has another user and folder for programs than HashiCorp's.
adapt() {
	local file=$work/deploy/compose.yaml
	sed -e '/^name:/d' -e "s|127.0.0.1:8500:8500|127.0.0.1:$agent_port:8500|" -e "s|\"8080:8080\"|\"127.0.0.1:$web_port:8080\"|" \
		-e "s|\"\{0,1\}hashicorp/consul:[^\" ]*\"\{0,1\}|\"$image\"|" "$file" >"$file.new"
	if [[ $image == "$project"/* ]]; then
		sed -e 's|user: "100:1000"|user: "65532:65532"|' -e 's|/bin/consul|/usr/local/bin/consul|' "$file.new" >"$file"
		rm "$file.new"
	else
		mv "$file.new" "$file"
	fi
}

# passing succeeds when a service has that many instances, all of them passing: passing SERVICE COUNT
passing() { "$panda" services | awk -v s="$1" -v n="$2" '$1 == s { ok = $2 == n && $3 == n } END { exit !ok }'; }

# leader prints the name of the Consul server that leads, as another than the one named knows it by itself (-stale). The agent passes the
# question on to the server that leads, and if nobody has missed that one yet, Consul tries for 10 s to reach it.
leader() {
	local server=consul-1
	[[ ${1:-} != "$server" ]] || server=consul-2
	compose exec -T "$server" consul operator raft list-peers -stale 2>/dev/null | awk '$4 == "leader" { print $1 }'
}

leads_other_than() {
	local now
	now=$(leader "$1")
	[[ -n $now && $now != "$1" ]]
}

voters() { [[ $(compose exec -T consul-agent consul members 2>/dev/null | awk '$4 == "server" && $3 == "alive"' | wc -l) -eq $1 ]]; }

# load calls all services until it is stopped: load PHASE
load() {
	docker run --detach --name "$project-load-$1" --network "${project}_default" --env CONSUL_HTTP_ADDR=consul-agent:8500 \
		"$project/load:1.0.0" -callers "$callers" >/dev/null
	await 30 "calls of $1" called "$1" 100
}

# called succeeds when each service has had that many calls more than at the last mark: called PHASE COUNT
called() { docker logs "$project-load-$1" 2>/dev/null | tail -n 1 | awk -F '\t' -v n="$2" '{ exit !($1 == "calls" && $2 >= n) }'; }

# unload ends the calls of a phase, and keeps what was counted.
unload() {
	await 120 "$calls calls of each service" called "$1" "$calls"
	docker stop -t 30 "$project-load-$1" >/dev/null
	docker logs "$project-load-$1" 2>"$work/$1.failures" | grep '^result' >"$work/$1.results"
	cat "$work/$1.failures" >&2
	phases+=("$1")
}

main() {
	say "panda"
	if [[ -n ${PANDA:-} ]]; then
		panda=$PANDA
	else
		panda=$work/panda
		(cd "$examples/.." && run go build -o "$panda" ./cmd/panda)
	fi
	export CONSUL_HTTP_ADDR=127.0.0.1:$agent_port

	say "images: of the services, and of the new version of hello"
	cd "$examples"
	for service in hello panda web; do
		run "$panda" image "$service" --name "$project/$service:1.0.0"
	done
	GOFLAGS="'-ldflags=-s -w -X=main.version=1.1.0'" run "$panda" image hello --name "$project/hello:1.1.0"
	CGO_ENABLED=0 GOOS=linux GOARCH=$(docker version --format '{{.Server.Arch}}') go build -trimpath -ldflags=-s -o "$work/load" ./cluster/load
	run "$panda" image --binary "$work/load" --name "$project/load:1.0.0" --health none

	say "three Consul servers, the agent of this host, and the services"
	printf "\$ panda deploy compose --tag 1.0.0 --output -\n"
	"$panda" deploy compose --tag 1.0.0 --output - >"$work/deploy/compose.yaml"
	consul_image
	adapt
	run compose up --detach
	await 60 "three Consul servers" voters 3
	await 60 "three instances of hello" passing hello 3
	run "$panda" scale panda=3
	await 60 "three instances of panda" passing panda 3
	await 60 "the web page" passing web 1
	run "$panda" services

	say "an upgrade of hello under load"
	load upgrade
	run "$panda" upgrade hello --image "$project/hello:1.1.0"
	unload upgrade
	run "$panda" instances hello

	say "the loss of the leader under load"
	load leader
	local old
	old=$(leader)
	local began=$SECONDS
	run compose kill "$old"
	await 60 "a new leader" leads_other_than "$old"
	elected=$((SECONDS - began))
	await 60 "a write through the agent" compose exec -T consul-agent consul kv put "$project/written" again
	written=$((SECONDS - began))
	printf 'After %s s %s leads, after %s s the agent has written.\n' "$elected" "$(leader "$old")" "$written"
	run compose start "$old"
	await 60 "the return of $old" voters 3
	unload leader
	summary "$old"
}

# summary prints what was counted, and fails when a call failed.
summary() {
	local failed=0 phase calls bad slowest name
	say "summary"
	printf '%-10s %-22s %10s %8s %12s\n' DURING CALLED CALLS FAILED SLOWEST
	for phase in "${phases[@]}"; do
		while IFS=$'\t' read -r _ name calls bad slowest; do
			printf '%-10s %-22s %10s %8s %9s ms\n' "$phase" "$name" "$calls" "$bad" "$slowest"
			failed=$((failed + bad))
		done <"$work/$phase.results"
	done
	printf '\n3 Consul servers, of which %s was killed as it led; a new leader after %s s, a write after %s s\n' "$1" "$elected" "$written"
	printf '%s failed calls\n' "$failed"
	((failed == 0))
}

case ${1:-} in
'')
	need
	remove
	mkdir -p "$work/deploy"
	trap finish EXIT
	trap 'exit 130' INT TERM
	main
	;;
down)
	need
	remove
	;;
*)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}"
	exit 2
	;;
esac
