# The project in an environment of its own, where Docker is and the right Python is not:
#
#   docker build --tag ganrepro .
#   docker run --rm --volume ganrepro:/home/runner/project ganrepro             # make reproduce; results stay in the volume
#   docker run --rm --volume ganrepro:/home/runner/project ganrepro make test
#
# The volume has the code of the image that it was first used with: after another build, docker volume rm ganrepro.
FROM python:3.12-slim-bookworm

# Debian's own security updates are wanted, so that no version is pinned
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make libtcmalloc-minimal4 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 runner \
 && install --directory --owner 1000 --group 1000 /home/runner/project

# holds less memory than glibc's own malloc (docs/speed.md)
ENV LD_PRELOAD=libtcmalloc_minimal.so.4

USER 1000
WORKDIR /home/runner/project
COPY --chown=1000 . .
RUN make setup

CMD ["make", "reproduce"]
