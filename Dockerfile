# skelbench on the CPU:
#
#     docker build --tag skelbench .
#     docker run --rm --volume "$PWD:/work" skelbench eval xview --out runs/first
#
# --build-arg PIP_EXTRA_INDEX_URL=... may name PyTorch's index of CPU wheels, which are the smaller ones.
FROM python:3.12 AS build
ARG PIP_EXTRA_INDEX_URL
COPY . /src
RUN pip wheel --no-deps --wheel-dir /dist /src

FROM python:3.12-slim
ARG PIP_EXTRA_INDEX_URL
COPY --from=build /dist /dist
RUN pip install --no-cache-dir "$(ls /dist/*.whl)[graph,tune,hdf5,bvh]"
WORKDIR /work
ENTRYPOINT ["skelbench"]
