#!/usr/bin/python3
"""What the programs say about themselves: one version, and help that teaches every word."""
import re

import lib

WEIRD_WORDS = ("import", "records", "names", "export", "verify", "retag", "compact", "backup")


def test_version():
    version = re.search(r"^VERSION\s*=\s*(\S+)", (lib.ROOT / "Makefile").read_text(), re.M).group(1)
    lib.equal(lib.run(lib.WEIRD, "--version"), f"weird {version}\n", "weird's version")
    lib.equal(lib.run(lib.WEIR, "--version"), f"weir {version}\n", "weir's version")
    lib.equal(lib.run(lib.WEIRD, "import", "x", "--version"), f"weird {version}\n", "the version, after a word")


def test_weird():
    everything = lib.run(lib.WEIRD, "--help")
    words = re.findall(r"^  weird (\w+)", everything, re.M)
    lib.equal(tuple(words), WEIRD_WORDS, "words")
    options = set(re.findall(r"^  (--[\w-]+)", everything, re.M))
    for word in words:
        text = lib.run(lib.WEIRD, word, "--help")
        lib.check(text.startswith(f"  weird {word}") and f"Example\n  weird {word}" in text, f"help of {word}: {text}")
        of_word = set(re.findall(r"^  (--[\w-]+)", text, re.M))
        lib.check(of_word < options and "--data" in of_word, f"options of {word}: {of_word}")
        lib.check("--netflow" not in of_word, f"{word} does not listen")
        lib.equal(lib.run(lib.WEIRD, "--help", word), text, f"help before {word}")
        lib.check(not re.search(r"^  --.*(records|export): ", text, re.M), f"whose the options of {word} are: {text}")
    import subprocess
    refused = subprocess.run([lib.WEIRD, "imprt"], capture_output=True, text=True)
    lib.check(refused.returncode == 2 and all(w in refused.stderr for w in words), refused.stderr)


def test_weir():
    everything = lib.run(lib.WEIR, "--help")
    words = re.findall(r"^  weir (\w+)(?: (add|del|list|set))?", everything, re.M)
    lib.check(len(words) >= 30, f"words: {words}")
    lines = everything.split("\n\n")[1].splitlines()
    helps = [line for line in lines if line[44:46] == "  " and line[46:47] not in ("", " ")]
    lib.equal(len(helps), len(words), f"aligned helps in {everything}")
    for word in words:
        word = [w for w in word if w]
        text = lib.run(lib.WEIR, *word, "--help")
        lib.check(text.startswith("weir " + " ".join(word)) and "--url" in text, f"help of {word}: {text}")
    for example in re.findall(r"example: (.*)", "".join(lib.run(lib.WEIR, *w, "--help") for w in (
            ("totals",), ("type", "add"), ("policy", "set"), ("logs",)))):
        lib.check(example.startswith("weir "), example)


if __name__ == "__main__":
    lib.main(test_version, test_weird, test_weir)
