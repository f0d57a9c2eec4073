# The image of a Sunlit node and of the `sunlit` command.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /build
RUN python3 -m venv /opt/sunlit
# Dependencies first: they change seldom, so this layer is usually found in the cache.
COPY constraints.txt pyproject.toml ./
RUN python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > requirements.txt \
 && /opt/sunlit/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt --requirement requirements.txt
COPY . .
RUN /opt/sunlit/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps . \
 && /opt/sunlit/bin/pip uninstall --yes --quiet pip

FROM ${BASE_IMAGE}
# Base images come without bytecode, and a read-only root keeps none: every health check would compile.
RUN python3 -m compileall -q -j 0 -x '/(site-packages|tests?|idlelib|tkinter)/' \
    "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
ARG SUNLIT_UID=10001
RUN groupadd --gid ${SUNLIT_UID} sunlit \
 && useradd --uid ${SUNLIT_UID} --gid sunlit --home-dir /app --no-create-home --shell /usr/sbin/nologin sunlit \
 # A new named volume takes the owner of the folder it is mounted on, hence these folders.
 && install -d -m 0700 -o sunlit -g sunlit /app /network /network/home \
    /network/bank1 /network/bank2 /network/bank3 /network/regulator \
 && install -d -m 0755 -o sunlit -g sunlit /network/certificates
COPY --from=build /opt/sunlit /opt/sunlit
COPY docker /app/docker
ENV PATH=/opt/sunlit/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SUNLIT_HOME=/app/home
USER sunlit
WORKDIR /app
EXPOSE 8100 9100
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s --retries=6 CMD ["python3", "/app/docker/healthcheck.py"]
ENTRYPOINT ["sunlit"]
