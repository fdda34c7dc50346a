# The console as an image; docs/containers.md says how it is run, compose.yaml runs it.
FROM python:3.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/apikeys-console
COPY requirements.txt ./
# Without pip of its own: the console never needs it.
RUN python -m venv --without-pip .venv \
 && pip --python .venv/bin/python install --require-hashes -r requirements.txt
COPY . ./
# Nobody can write byte code there later.
RUN .venv/bin/python -m compileall -q apikeys console

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin console \
 && install --directory --owner=console --group=console --mode=0700 /data
WORKDIR /opt/apikeys-console
COPY --from=build /opt/apikeys-console ./
ENV HOST=0.0.0.0 DATA_DIR=/data PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 \
  CMD ["/opt/apikeys-console/.venv/bin/python", "deploy/healthy.py"]
# The first process, which hears SIGTERM at any time. Other commands of manage.py take the place of "serve".
ENTRYPOINT ["/opt/apikeys-console/.venv/bin/python", "manage.py"]
CMD ["serve"]
