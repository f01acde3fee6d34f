#!/usr/bin/python3
"""Debian's pmacctd meters a capture with its nfprobe plugin and exports NetFlow v5, v9 and IPFIX over
loopback to a running weird. What Weir answers equals the capture, pair by pair."""
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import lib
import lib_traffic
from test_softflowd import check_account, differences, metered

PMACCTD = shutil.which("pmacctd", path="/usr/sbin:/usr/bin:/sbin:/bin")

CONFIGURATION = """daemonize: false
pcap_savefile: traffic.pcap
plugins: nfprobe
aggregate: src_host, dst_host, src_port, dst_port, proto, tos
nfprobe_receiver: 127.0.0.1:{port}
nfprobe_version: {version}
"""


def check_version(version, ipv6):
    home = lib.folder()
    truth = lib_traffic.write_capture(home / "traffic.pcap", ipv6, seed=version)

    def meter(server):
        (home / "pmacctd.conf").write_text(CONFIGURATION.format(
            port=server.port(), version=version))
        # It exits 1 when its plugin happened to end first; whether all was exported, the totals tell. It knows
        # no long paths.
        lib.run(PMACCTD, "-f", "pmacctd.conf", ok=(0, 1), cwd=home)

    server, got = metered(home, meter, truth)
    lib.check(got == truth, f"nfprobe {version}: {differences(got, truth)}")
    check_account(server, version, f"nfprobe {version}")
    server.stop()
    lib.run(lib.WEIRD, "verify", "--data", server.data)


def test_nfprobe():
    for version, ipv6 in ((5, False), (9, True), (10, True)):
        check_version(version, ipv6)


if __name__ == "__main__":
    if not PMACCTD:
        lib.skip("pmacctd is not installed")
    lib.main(test_nfprobe)
