"""Values, and texts that look like values and are none, in what may stand around them."""

import random

from apikeys import values

PREFIX = "apk_"


def value() -> str:
    return values.generate(PREFIX)


def almost(chance: random.Random) -> str:
    """Return one text that looks like a value and is none."""
    genuine = value()
    word = "".join(chance.choices(values.ALPHABET, k=40))
    wrong = chance.randrange(4, 44)
    other = chance.choice([c for c in values.ALPHABET if c != genuine[wrong]])
    return chance.choice(
        [
            PREFIX + word,
            genuine[:wrong] + other + genuine[wrong + 1 :],
            genuine + chance.choice(values.ALPHABET),
            chance.choice(values.ALPHABET) + genuine,
            genuine[:-1],
            "apl_" + genuine[4:],
            "APK_" + genuine[4:],
            "apk-" + genuine[4:],
            genuine[4:],
            f"{genuine[:20]} {genuine[20:]}",
            f"{genuine[:30]}\n{genuine[30:]}",
            f"{genuine[:30]}\\\n{genuine[30:]}",
            f"{genuine[:4]}\t{genuine[4:]}",
            genuine[:10] + "_" + genuine[11:],
            genuine[:10] + "é" + genuine[11:],
            genuine.swapcase(),
            genuine[::-1],
            "ghp_" + word[:36],
            "xoxb-" + word,
            f"eyJ{word}.{word}.{word}",
        ]
    )


def surroundings(chance: random.Random, text: str) -> str:
    around = [
        'apikey = "{}"', "export IBMCLOUD_API_KEY={}", "{}", "<{}>", "curl -d apikey={}&x=1", '{{"apikey":"{}"}}',
        "  - {}  # 金鑰 🔑", "ключ: {},", "({})", "é{}é", "https://example.com/?key={}#x", "\t{};",
        "KEY_{}_END",
    ]  # fmt: skip
    return chance.choice(around).format(text)
