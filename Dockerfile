# An image with only the worker: no shell, no libraries, no root. The certificates of the public
# authorities are built into the binary. To build it from the sources:
#   docker build --target worker .

# The image that compiles, for x86_64 and aarch64, by digest: a tag can be moved to another image. Its
# Rust is the one of packaging/rust-version. To compile with another one:
#   docker build --build-arg RUST_IMAGE=… --target worker .
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-alpine@sha256:606fd313a0f49743ee2a7bd49a0914bab7deedb12791f3a846a34a4711db7ed2

FROM scratch AS base
# The worker looks for config.json and ./logs here.
WORKDIR /data
USER 1000:1000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/allora-worker"]
CMD ["run"]

# Rust on Alpine links statically by default.
FROM ${RUST_IMAGE} AS build
RUN apk add --no-cache musl-dev
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY fuzz fuzz
COPY localnet localnet
COPY packaging packaging
COPY src src
RUN cargo build --locked --release --package allora-worker

FROM base AS worker
COPY --from=build /build/target/release/allora-worker /allora-worker

# To use a worker that is already built, as an executable file in a folder of its own:
#   docker build --target prebuilt --file Dockerfile FOLDER
# It is the last stage because builders without BuildKit build every stage before their target.
FROM base AS prebuilt
COPY allora-worker /allora-worker
