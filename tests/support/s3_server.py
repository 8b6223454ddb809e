"""A server that speaks S3 as a process (moto's, from `.ci/install-s3`), with one bucket."""

import socket
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # has no stubs
from botocore.config import Config  # type: ignore[import-untyped]  # has no stubs
from typing_extensions import override

from tests.support.ports import free_port
from tests.support.servers import Server

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".venv-s3/bin/moto_server"
BUCKET = "sluice-files"
# Names that the server takes for anybody's; no account has them.
ACCESS = {"access_key": "tests-only", "secret_key": "tests-only", "region_name": "eu-west-1"}


def s3_installed() -> bool:
    """Whether `.ci/install-s3` has run to its end."""
    return (PROGRAM.parent.parent / "installed").exists()


class S3Server(Server):
    """Keeps what it stores in memory: once stopped, it is gone."""

    def __init__(self) -> None:
        super().__init__("sluice-s3-")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @override
    def command(self) -> list[str]:
        return [str(PROGRAM), "-H", "127.0.0.1", "-p", str(self.port)]

    @override
    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def client(self) -> Any:
        """A plain client, which knows nothing of Sluice."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS["access_key"],
            aws_secret_access_key=ACCESS["secret_key"],
            region_name=ACCESS["region_name"],
            config=Config(retries={"max_attempts": 1}, proxies={}),
        )

    def make_bucket(self) -> None:
        self.client().create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )

    def objects(self) -> dict[str, bytes]:
        """Everything in the bucket, by name."""
        client = self.client()
        found = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {
            each["Key"]: client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
            for each in found
        }

    def storage(self) -> dict[str, Any]:
        """`STORAGES["files"]`, as the settings have it for a bucket."""
        options = {
            "bucket_name": BUCKET,
            "endpoint_url": self.url,
            "default_acl": None,
            "file_overwrite": False,
            **ACCESS,
            "client_config": Config(
                retries={"max_attempts": 1}, connect_timeout=2, read_timeout=10, proxies={}
            ),
        }
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
