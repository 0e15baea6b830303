#!/usr/bin/env bash
# The part of booted.sh that runs inside the container, as root, under systemd.
set -euo pipefail
cd /test
exec >/test/output 2>&1

readonly WORDS='legal winner thank year wave sausage worth useful legal winner thank yellow'
readonly TOPICS=100
name='' pid=0

fail() {
    printf 'booted: FAILED: %s: %s\n' "$name" "$*"
    systemctl status allora-worker --no-pager --lines 30 || true
    exit 1
}
passed() { printf 'booted: ok: %s\n' "$name"; }
show() { systemctl show --property "$1" --value allora-worker; }
main_is() {
    local line
    pid=$(show MainPID)
    while IFS= read -r line; do
        if [[ $line == "$1:"* ]]; then
            [[ $line =~ $2 ]] || fail "$line"
            return
        fi
    done <"/proc/$pid/status"
    fail "no $1"
}
# until_is PROPERTY VALUE: waits up to 20 s for the service's property to have this value.
until_is() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        if [[ $(show "$1") == "$2" ]]; then return; fi
        sleep 0.1
    done
    fail "$1 is $(show "$1"), not $2"
}

# configure TOPICS [LISTEN]: writes a configuration with this many topics, and metrics at an address.
configure() {
    local topic list=''
    for ((topic = 1; topic <= $1; topic++)); do
        list+=",{\"topic_id\": $topic, \"inference_url\": \"http://127.0.0.1:2/\"}"
    done
    printf '{"network": "testnet", "seed_phrase_file": "seed_phrase"%s, "api_params": {"api_url": "http://127.0.0.1:1"}, "topics": [%s]}' \
        "${2:+, \"metrics_listen\": \"$2\"}" "${list:1}" >/etc/allora-worker/config.json
}

name='installed and started, though no endpoint answers'
printf '%s\n' "$WORDS" >words
./install.sh --seed-phrase-file words >said || fail "$(<said)"
configure 1
systemctl start allora-worker || fail 'it did not start'
[[ $(show ActiveState) == active && $(show NRestarts) == 0 ]] || fail 'it is not up'
[[ $(systemctl is-enabled allora-worker) == enabled ]] || fail 'it is not enabled'
passed

name='shows a status line'
[[ -n $(show StatusText) ]] || fail 'no status'
passed

name='runs as a dynamic user, without privileges'
main_is Uid '^Uid:[[:space:]]+[1-9]'
main_is CapBnd '0000000000000000$'
main_is NoNewPrivs '1$'
main_is Seccomp '2$'
passed

name='can execute nothing but itself'
inside=(nsenter --target "$pid" --mount)
for program in /usr/bin/true /bin/bash /usr/sbin/nologin; do
    said=$("${inside[@]}" "$program" --version 2>&1) && fail "$program was executed"
    [[ $said == *'Permission denied'* ]] || fail "$program: $said"
done
"${inside[@]}" /usr/local/bin/allora-worker --version >said || fail 'the worker cannot be executed'
passed

name='listens on the port of the shipped configuration, and on no other one'
[[ $(show SocketBindDeny) == any ]] || fail "SocketBindDeny is $(show SocketBindDeny)"
configure 1 127.0.0.1:9464
systemctl restart allora-worker || fail 'it did not start'
exec 3<>/dev/tcp/127.0.0.1/9464 || fail 'nothing listens'
exec 3>&-
configure 1 127.0.0.1:9500
if ! systemctl restart allora-worker 2>said; then
    until_is ActiveState failed
    mkdir -p /etc/systemd/system/allora-worker.service.d
    printf '[Service]\nSocketBindAllow=\nSocketBindAllow=tcp:9500\nSocketBindAllow=udp\n' \
        >/etc/systemd/system/allora-worker.service.d/port.conf
    systemctl daemon-reload
    systemctl restart allora-worker || fail 'the drop-in does not allow the port'
    rm -r /etc/systemd/system/allora-worker.service.d
    systemctl daemon-reload
    passed
else
    echo 'booted: LEFT OUT: that no other port can be used: systemd filters no ports here, for which it needs control groups v2 and BPF'
fi
configure 1
systemctl restart allora-worker || fail 'it did not start'
pid=$(show MainPID)

name='an upgrade restarts it'
./install.sh >said || fail "$(<said)"
[[ $(<said) == *'was restarted'* && $(show MainPID) != "$pid" ]] || fail "$(<said)"
passed

name="$TOPICS topics fit into its limits"
configure "$TOPICS"
systemctl restart allora-worker || fail 'it did not start'
main_is Threads '[0-9]{3}$'
until_is ActiveState active
sleep 5 # why: each topic has asked once and waits by then, which nothing shows from outside
[[ $(show NRestarts) == 0 && $(show ActiveState) == active ]] || fail 'it ended'
main_is VmHWM 'VmHWM:'
while IFS= read -r line; do
    [[ $line != VmHWM:* ]] || peak_kb=${line//[!0-9]/}
done <"/proc/$(show MainPID)/status"
((peak_kb * 1024 * 2 <= $(show MemoryMax))) || fail "it takes $peak_kb kB"
printf 'booted: %d topics take %d kB\n' "$TOPICS" "$peak_kb"
passed

name='is restarted after it was killed'
kill -9 "$(show MainPID)"
until_is NRestarts 1
until_is ActiveState active
passed

name='is not restarted after a configuration error'
echo '{' >/etc/allora-worker/config.json
if systemctl restart allora-worker 2>said; then fail 'it started'; fi
until_is ActiveState failed
[[ $(show ExecMainStatus) == 3 && $(show NRestarts) == 0 ]] || fail 'it was tried again'
passed

name='without a key systemd refuses to start it'
configure 1
mv /etc/allora-worker/seed_phrase /test/
if systemctl start allora-worker 2>said; then fail 'it started'; fi
[[ $(<said) == *'Assertion failed'* ]] || fail "$(<said)"
mv /test/seed_phrase /etc/allora-worker/
passed

name='runs with an encrypted key'
./install.sh --encrypt >said 2>&1 || fail "$(<said)"
[[ ! -e /etc/allora-worker/seed_phrase && -e /etc/allora-worker/seed_phrase.cred ]] || fail "$(<said)"
systemctl start allora-worker || fail 'it did not start'
[[ $(show ActiveState) == active && $(show NRestarts) == 0 ]] || fail 'it is not up'
# The command that install.sh shows, without the options that need a message bus.
[[ $(<said) =~ 'systemd-run --pipe --wait '([^$'\n']*) ]] || fail "$(<said)"
read -r -a command <<<"${BASH_REMATCH[1]/ check / address }"
systemd-run -p Type=oneshot -p StandardOutput=file:/test/address "${command[@]}" || fail "${command[*]}"
[[ $(<address) == allo1avgyh77ycn997ja45q5q8ss8y9mr424jwfcszc ]] || fail "${command[*]}: $(<address)"
systemctl stop allora-worker
passed

name='stops at once with success'
systemctl start allora-worker || fail 'it did not start'
systemctl stop allora-worker
[[ $(show Result) == success && $(show ExecMainStatus) == 0 ]] || fail 'it did not end with success'
passed

name='is uninstalled'
systemctl start allora-worker || fail 'it did not start'
./install.sh --uninstall --purge >said || fail "$(<said)"
[[ ! -e /etc/allora-worker && ! -e /usr/local/bin/allora-worker ]] || fail 'something is left'
[[ $(show LoadState) == not-found ]] || fail 'systemd still has the unit'
passed
: >/test/passed
