# docker build -t lathe . && docker run --network host -v lathe:/var/lib/lathe lathe
# It listens on loopback alone (docs/howto/production.md): run it in the network of its proxy.
FROM python:3.13-slim
COPY . /src
RUN pip install --no-cache-dir --constraint /src/constraints.txt /src && rm -rf /src \
    && useradd --system --uid 10001 --no-create-home lathe \
    && install -d -o lathe -m 0700 /var/lib/lathe
USER 10001
WORKDIR /var/lib/lathe
VOLUME /var/lib/lathe
ENV LATHE_STORE_URL=sqlite:/var/lib/lathe
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('LATHE_SERVER_PORT', '7411') + '/readyz', timeout=2)"]
ENTRYPOINT ["lathe"]
CMD ["serve"]
