# docker build -t lathe . && docker run --init --network host --stop-timeout 40 -v lathe:/var/lib/lathe lathe
# It listens on loopback alone: run it in the network of its proxy. docs/howto/production.md has the rest.
FROM python:3.13-slim
# Extras of pyproject.toml: agents at /mcp, and traces where an endpoint is named.
ARG EXTRAS=mcp,otel
COPY . /src
# The configuration is a file, for a variable would win over the file that is mounted in its place.
RUN pip install --no-cache-dir --constraint /src/constraints.txt "/src[$EXTRAS]" && rm -rf /src \
    && groupadd --system --gid 10001 lathe \
    && useradd --system --uid 10001 --gid lathe --no-create-home lathe \
    && install -d -o lathe -g lathe -m 0700 /var/lib/lathe \
    && install -d /etc/lathe \
    && printf '[store]\nurl = "sqlite:/var/lib/lathe"\n' > /etc/lathe/lathe.toml
USER 10001:10001
WORKDIR /var/lib/lathe
VOLUME /var/lib/lathe
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('LATHE_SERVER_PORT', '7411') + '/readyz', timeout=2)"]
ENTRYPOINT ["lathe"]
CMD ["serve", "--config", "/etc/lathe/lathe.toml"]
