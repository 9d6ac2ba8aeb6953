"""A real S3 server on this machine."""

import uuid

import fsspec
from moto.server import ThreadedMotoServer

S3_SECRET = "c4n4ry/+s3cr3t"


class S3:
    """An S3 server on this machine, with one bucket, `url`. What it holds outlives a stop and a start."""

    def __init__(self, port: int = 0) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]
        self.url = ""

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()

    @property
    def environment(self) -> dict[str, str]:
        """What a process must find in its environment to come in."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": S3_SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def make_bucket(self) -> None:
        """Makes a new bucket, to which `url` leads."""
        bucket = f"bucket-{uuid.uuid4().hex}"
        self.filesystem().mkdir(bucket)
        self.url = f"s3://{bucket}"

    def filesystem(self) -> fsspec.AbstractFileSystem:
        return fsspec.filesystem(
            "s3",
            key=self.environment["AWS_ACCESS_KEY_ID"],
            secret=S3_SECRET,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            use_listings_cache=False,
        )
