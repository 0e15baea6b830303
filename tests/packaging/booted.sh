#!/usr/bin/env bash
# Boots this machine's own systemd in a container that holds only the programs of this machine,
# installs the worker there as a new user would, and checks the service. There is no network, so no
# endpoint answers: the service must be up all the same.
#   tests/packaging/booted.sh WORKER      a static worker, or one whose libraries are installed
# Needs root and systemd-nspawn; without them, prints LEFT OUT.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# It takes 30 s on a quiet machine.
readonly TIME_MAX_S=180

left_out() {
    printf 'booted: LEFT OUT: %s\n' "$*"
    exit 0
}

((EUID == 0)) || left_out 'containers need root'
command -v systemd-nspawn >/dev/null || left_out 'systemd-nspawn is not installed'
[[ -x /usr/lib/systemd/systemd && -L /bin ]] || left_out 'the system is not laid out as expected'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

mkdir -p "$root"/{dev,etc/systemd/system,proc,root,run,sys,test,tmp,usr,var}
for folder in bin lib lib64 sbin; do
    [[ ! -e /$folder ]] || cp -a "/$folder" "$root/"
done
cp -L /etc/os-release "$root/etc/os-release"
# With a machine id this is not a first boot, on which systemd would enable every installed unit.
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:n:/:/usr/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
printf 'passwd: files systemd\ngroup: files systemd\nhosts: files\n' >"$root/etc/nsswitch.conf"
echo '127.0.0.1 localhost' >"$root/etc/hosts"
cat >"$root/etc/systemd/system/inside.service" <<'END'
[Service]
Type=oneshot
ExecStart=/bin/bash /test/booted_inside.sh
ExecStopPost=/bin/systemctl --no-block poweroff
END
cp tests/packaging/booted_inside.sh install.sh allora-worker.service config.json "$root/test/"
cp "$1" "$root/test/allora-worker"

code=0
timeout "$TIME_MAX_S" systemd-nspawn --quiet --directory="$root" --bind-ro=/usr \
    --tmpfs=/usr/local --register=no --keep-unit --private-network --console=pipe --boot \
    systemd.unit=inside.service systemd.show_status=0 </dev/null >"$work/console" 2>&1 || code=$?
if [[ ! -e $root/test/output ]]; then
    left_out "systemd can't be booted in a container here (exit code $code): $(<"$work/console")"
fi
cat "$root/test/output"
[[ -e $root/test/passed ]] || {
    echo "booted: FAILED (exit code $code)" >&2
    exit 1
}
