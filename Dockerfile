# Two images: `dashboard` serves the page and migrates the store, `worker` does everything, on CUDA where there is any.
#   docker build --target worker --tag affect-search/worker .
# PIP_ARGS goes to pip as it stands, such as another package index. It stays in the image's history: no secret there.

FROM python:3.13-slim AS base
ENV PATH=/opt/search/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# An empty named volume takes over the owner of the folder that it is laid over.
RUN useradd --uid 10001 --user-group --home-dir /tmp --no-create-home --shell /usr/sbin/nologin search \
 && install --directory --owner=search --group=search --mode=0700 /home/search /secrets /slots \
 && install --directory --owner=search --group=search --mode=0755 /data /results \
 && python -m venv /opt/search

# What each image installs, as files that change only when the dependencies do; and the package, as a wheel.
FROM base AS package
ARG PIP_ARGS=
RUN pip install --no-cache-dir ${PIP_ARGS} hatchling
WORKDIR /source
COPY pyproject.toml docker/requirements.py ./
RUN python requirements.py dashboard > /dashboard.txt && python requirements.py worker > /worker.txt
COPY README.md LICENSE ./
COPY search search
COPY models models
COPY datasets datasets
COPY studies studies
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM base AS dashboard
ARG PIP_ARGS=
COPY constraints.txt /opt/search/
COPY --from=package /dashboard.txt /opt/search/requirements.txt
RUN pip install --no-cache-dir ${PIP_ARGS} --constraint /opt/search/constraints.txt --requirement /opt/search/requirements.txt
COPY docker/secrets.sh /opt/search/
COPY --from=package /wheels /opt/search/wheels
RUN pip install --no-deps --no-index /opt/search/wheels/*.whl
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
ENTRYPOINT ["search"]
CMD ["dashboard"]

FROM base AS worker
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
ARG PIP_ARGS=
COPY constraints.txt /opt/search/
COPY --from=package /worker.txt /opt/search/requirements.txt
RUN pip install --no-cache-dir ${PIP_ARGS} --constraint /opt/search/constraints.txt --requirement /opt/search/requirements.txt
COPY --from=package /wheels /opt/search/wheels
RUN pip install --no-deps --no-index /opt/search/wheels/*.whl
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["search"]
CMD ["worker"]
