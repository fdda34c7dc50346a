"""The addresses that people and their bookmarks know; tests write them out, so that changing one is noticed."""

KEYS = "/manage/security/apikeys/"
CREATE = f"{KEYS}create/"
RECEIPT = f"{CREATE}receipt/"
DOWNLOAD = f"{CREATE}download/"
SERVICE_IDS = "/manage/security/serviceids/"
MORE_TIME = f"{CREATE}more-time/"
REVIEW = "/manage/security/review/"
USERS = "/manage/users/"
RULES = "/manage/rules/"
ACTIVITY = "/manage/security/activity/"
WEBHOOKS = "/manage/security/webhooks/"
UNKNOWN_ID = "ApiKey-00000000-0000-4000-8000-000000000000"
UNKNOWN_SERVICE_ID = "ServiceId-00000000-0000-4000-8000-000000000000"


def edit_address(key_id: str) -> str:
    return f"{KEYS}{key_id}/edit/"


def details_address(key_id: str) -> str:
    return f"{KEYS}{key_id}/"


def delete_address(key_id: str) -> str:
    return f"{KEYS}{key_id}/delete/"


def pixel_address(nonce_digest: str) -> str:
    return f"{RECEIPT}{nonce_digest}.svg"


def service_id_address(service_id: str, what: str = "") -> str:
    return f"{SERVICE_IDS}{service_id}/{what}"
