#!/usr/bin/env bash
# Tests packaging/release-check on small repositories, each with one mistake, with a fake Cargo and a
# fake compiler.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly VERSION=1.2.3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy=$work/copy rust=$(<packaging/rust-version)

fail() {
    printf 'release: FAILED: %s\n' "$*" >&2
    cat "$work/output" >&2
    exit 1
}
# Git without the settings of the user who runs this.
git_here() {
    GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null git -C "$copy" \
        -c user.name=test -c user.email=test@localhost -c init.defaultBranch=main "$@" >/dev/null
}
cat >"$work/cargo" <<END
#!/bin/sh
[ "\$1" = pkgid ] && echo 'path+file:///x#allora-worker@$VERSION'
END
# fake_rust VERSION: what the compiler says of itself.
fake_rust() { printf '#!/bin/sh\necho "rustc %s (0123456 2026-01-01)"\n' "$1" >"$work/rustc"; }

# afresh: a repository without a mistake.
afresh() {
    rm -rf "$copy"
    mkdir -p "$copy/packaging"
    cp packaging/release-check packaging/rust-version "$copy/packaging/"
    cp Dockerfile docker-compose.yml "$copy/"
    printf '# Changelog\n\n## [Unreleased]\n\n## [%s] - 2026-01-31\n\n- A thing.\n\n## [1.2.2] - 2026-01-01\n' \
        "$VERSION" >"$copy/CHANGELOG.md"
    fake_rust "$rust"
    chmod +x "$work/cargo" "$work/rustc"
    git_here init
    git_here add --all
    git_here commit -m test
}
# check CODE TEXT [TAG]: release-check must end with CODE, and say TEXT.
check() {
    local code=0
    GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null CARGO=$work/cargo RUSTC=$work/rustc \
        "$copy/packaging/release-check" "${@:3}" >"$work/output" 2>&1 || code=$?
    ((code == $1)) || fail "$2: exit code $code, not $1"
    [[ $(<"$work/output") == *"$2"* ]] || fail "it does not say: $2"
    ((code == 0)) || (($(wc -l <"$work/output") == 1)) || [[ $2 == *differs* ]] ||
        fail "$2: it says more than that"
    printf 'release: ok: %s\n' "$2"
}
# changed SCRIPT: edits the change log and commits that.
changed() {
    afresh
    sed -i "$1" "$copy/CHANGELOG.md"
    git_here commit --all -m test
}

afresh
check 0 "v$VERSION can be released"
check 0 "v$VERSION can be released" "v$VERSION"
check 1 'the tag must be v1.2.3' v1.2.4
git_here tag "v$VERSION"
check 1 'exists already'
git_here checkout --quiet -b side
git_here commit --allow-empty -m side
check 1 'is not on refs/heads/main' "v$VERSION"
git_here update-ref refs/remotes/origin/main side
check 0 "v$VERSION can be released" "v$VERSION"
git_here checkout --quiet main
git_here commit --allow-empty -m 'not yet reviewed'
check 1 'is not on refs/remotes/origin/main' "v$VERSION"
afresh
echo more >>"$copy/Dockerfile"
check 1 'differs from the commit'
changed "s/^## \\[$VERSION.*/## [$VERSION]/"
check 1 'has no heading "## [1.2.3] - DATE"'
changed '/^- A thing/d'
check 1 'says nothing about 1.2.3'
changed 's/^## \[Unreleased\]/&\n\n- Another thing./'
check 1 'still has changes below [Unreleased]'
afresh
fake_rust 1.0.0
check 1 "releases are built with $rust"
afresh
sed -i 's/^\(ARG RUST_IMAGE=.*\)@sha256:.*/\1/' "$copy/Dockerfile"
git_here commit --all -m test
check 1 'Dockerfile does not compile with'
