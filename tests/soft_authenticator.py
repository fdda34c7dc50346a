"""A device that keeps passkeys, as a browser would ask it: for tests without a browser."""

import hashlib
import json
import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

FLAG = AuthenticatorData.FLAG


class Device:
    """One passkey; `verifies` is whether it asks for a finger, and `counts` whether it counts its signatures."""

    def __init__(self, origin: str, *, verifies: bool = True, counts: bool = True) -> None:
        self.origin, self.verifies, self.counts = origin, verifies, counts
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = os.urandom(32)
        self.count = 0
        self.handle = b""

    def make(self, options: dict[str, Any]) -> str:
        """Return what a browser sends for a passkey that was made."""
        self.handle = websafe_decode(options["user"]["id"])
        credential = AttestedCredentialData.create(
            Aaguid(bytes(16)), self.id, ES256.from_cryptography_key(self.key.public_key())
        )
        made = AttestationObject.create("none", self._data(options["rp"]["id"], credential), {})
        client = self._client(CollectedClientData.TYPE.CREATE, options["challenge"])
        return self._sent({"clientDataJSON": client, "attestationObject": made})

    def use(self, options: dict[str, Any], **changed: bytes) -> str:
        """Return what a browser sends for a challenge that was signed; `changed` stands in place of a part of it."""
        self.count += self.counts
        client = self._client(CollectedClientData.TYPE.GET, options["challenge"])
        data = self._data(options["rpId"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        parts = {"clientDataJSON": client, "authenticatorData": data, "signature": signature, "userHandle": self.handle}
        return self._sent(parts | changed)

    def _data(self, rp_id: str, credential: AttestedCredentialData | None = None) -> AuthenticatorData:
        flags = FLAG.UP | (FLAG.UV if self.verifies else FLAG(0)) | (FLAG.AT if credential else FLAG(0))
        return AuthenticatorData.create(hashlib.sha256(rp_id.encode()).digest(), flags, self.count, credential or b"")

    def _client(self, kind: str, challenge: str) -> CollectedClientData:
        return CollectedClientData.create(kind, challenge, self.origin)

    def _sent(self, parts: dict[str, bytes]) -> str:
        response = {name: websafe_encode(bytes(part)) for name, part in parts.items()}
        own_id = websafe_encode(self.id)
        return json.dumps({"id": own_id, "rawId": own_id, "type": "public-key", "response": response})
