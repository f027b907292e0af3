# MinIO and `mc` at the pinned versions, from the Go module proxy: a stand-in for the official image.
ARG BASE
FROM ${BASE} AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends golang-go git
ARG MINIO_MODULE
ARG MC_MODULE
ENV GOBIN=/out CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-ldflags=-s
RUN --mount=type=secret,id=ca --mount=type=cache,target=/root/go/pkg --mount=type=cache,target=/root/.cache \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi; \
    go install ${MINIO_MODULE} && go install ${MC_MODULE}

FROM ${BASE}
COPY --from=build /out/minio /out/mc /usr/local/bin/
ENTRYPOINT ["minio"]
