# The worker alone in an image: no shell, no libraries, no root. The certificates of the public
# authorities are inside the binary. From the sources:
#   docker build --target worker .

FROM scratch AS base
# The configuration and ./logs are looked for here.
WORKDIR /data
USER 1000:1000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/allora-worker"]
CMD ["run"]

# Rust on Alpine links statically of itself.
FROM docker.io/library/rust:1-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY localnet localnet
COPY packaging packaging
COPY src src
RUN cargo build --locked --release --package allora-worker

FROM base AS worker
COPY --from=build /build/target/release/allora-worker /allora-worker

# With a worker that is built already and may be executed, in a folder of its own:
#   docker build --target prebuilt --file Dockerfile FOLDER
# It is the last stage because builders without BuildKit build whatever stands before their target.
FROM base AS prebuilt
COPY allora-worker /allora-worker
