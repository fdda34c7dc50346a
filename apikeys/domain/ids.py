"""What names things to programs: ids, and CRNs made of them."""

import re

SERVICE_ID_PREFIX = "iam-ServiceId-"
API_KEY_ID = re.compile(r"ApiKey-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
IAM_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
SERVICE_ID = re.compile(r"ServiceId-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def api_key_crn(account_id: str, key_id: str) -> str:
    """Return a key's Cloud Resource Name, in IBM's form."""
    return f"crn:v1:bluemix:public:iam-identity::a/{account_id}::apikey:{key_id}"
