# WireMock from its npm package, with Debian's JRE: a stand-in for the official image.
ARG BASE
FROM ${BASE} AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends npm
ARG WIREMOCK_NPM
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    mkdir /out && cd /out && npm pack --silent ${WIREMOCK_NPM} && tar -xzf ./*.tgz package/build

FROM ${BASE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends openjdk-21-jre-headless \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/package/build/*.jar /var/wiremock/lib/wiremock-standalone.jar
RUN mkdir -p /home/wiremock && chmod 777 /home/wiremock
WORKDIR /home/wiremock
ENTRYPOINT ["/bin/sh", "-c", "exec java $JAVA_OPTS -cp '/var/wiremock/lib/*' wiremock.Run \"$@\"", "wiremock"]
