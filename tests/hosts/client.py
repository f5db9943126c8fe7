"""Run by tests as a process of its own, to be killed: client.py FOLDER PORT KNOWN_HOSTS ACTION."""

import sys
import time
from pathlib import Path

from klusterkit.hosts import Fleet, HostKeys, Lease, Login, Target, load_private_key

folder, port, action = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
keys = HostKeys(files=[folder / "known_hosts"])
login = Login(
    address="127.0.0.1", port=port, key=load_private_key((folder / "login").read_bytes()), config=folder / "ssh_config"
)
lease = Lease("cluster", 5, "first@laptop", run="r1")
lease_free = action == "job-without-lease"
with Fleet({"h": Target(login=login)}, keys, lease=None if lease_free else lease) as fleet:
    host = fleet["h"]
    host.connect()
    if action.startswith("job"):
        seconds = 5 if lease_free else 15
        script = f"echo started >>/run/kk-job; sleep {seconds}; echo ended >>/run/kk-job; echo result"
        print("connected", flush=True)
        host.job("r1.0/task/1", ["sh", "-c", script])
    elif action == "run":
        print("connected", flush=True)
        host.run(["sh", "-c", "sleep 6; echo ended >>/run/kk-run"])
    else:
        print("connected", flush=True)
    time.sleep(600)
