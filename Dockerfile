# The paper and its environment: docker build -t precip-sae . && docker run --rm -it precip-sae
FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home reader && install --directory --owner=reader /home/reader/precip-sae
USER reader
WORKDIR /home/reader/precip-sae
COPY --chown=reader . .
RUN make .venv/.ready PIP_FLAGS="--no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu"
CMD ["make", "reproduce"]
