# ShrivenQuant: one image for every role; the command chooses (sq run, sq lag --serve, sq project run, sq feed, sq topics apply).
# Built by `make image`, which fills build/wheelhouse first: the build itself reaches no package registry (it runs with --network none).
#
# Non-root and fit for a read-only root. What it writes:
#   /var/lib/shrivenquant        SQ_KAFKA_HOME: slots/, and targets/ for Prometheus: volumes
#   /var/cache/shrivenquant      SQ_KERNEL_CACHE: machine code of the kernels; a volume saves up to a minute at each start.
#                                It is not made here: it depends on the CPU that runs it.
#   /tmp                         a tmpfs
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY build/wheelhouse /wheelhouse
RUN python3 -m venv /opt/sq \
 && /opt/sq/bin/python -m pip install --disable-pip-version-check --no-cache-dir --no-index --find-links /wheelhouse --require-hashes -r /wheelhouse/requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY streams streams
COPY connectors connectors
COPY infra infra
COPY jobs jobs
# the sources as they are, for a journal names their digest: the same tree must run what was built from it
RUN mkdir /opt/sq/app && cp -a schemas streams connectors infra jobs pyproject.toml README.md LICENSE /opt/sq/app/ \
 && cd /opt/sq/app && /opt/sq/bin/python -m pip install --disable-pip-version-check --no-cache-dir --no-index --no-deps --no-build-isolation -e . \
 && /opt/sq/bin/python -m pip uninstall --quiet --yes setuptools pip \
 && rm -rf build README.md \
 && find /opt/sq -type d \( -name tests -o -name test \) -path '*/site-packages/*' -not -path '*/numpy/*' -not -path '*/numba/*' -prune -exec rm -rf {} + \
 && /opt/sq/bin/python -m compileall -q /opt/sq/app /opt/sq/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="shrivenquant" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/sq /opt/sq
# owned by the user, so that a volume mounted there for the first time is, too
RUN for folder in /var/lib/shrivenquant /var/lib/shrivenquant/targets /var/lib/shrivenquant/slots /var/cache/shrivenquant /data; do \
      mkdir -p "$folder" && chown 10001:10001 "$folder"; \
    done
ENV PATH=/opt/sq/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SQ_KAFKA_HOME=/var/lib/shrivenquant \
    SQ_KERNEL_CACHE=/var/cache/shrivenquant \
    SQ_METRICS_HOST=0.0.0.0
USER 10001:10001
WORKDIR /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["python", "-I", "/opt/sq/app/infra/image/healthy.py"]
ENTRYPOINT ["python", "-I", "/opt/sq/app/infra/image/init.py"]
CMD ["sq", "--help"]
