-- The newest schema of state.db: schema 1. A new file is made from this script; migrations.cc brings older files to the
-- same result. What must never happen is refused by a constraint here, whatever the code above does.
--
-- Times are microseconds since 1970, UTC. Numbers of 64 bits without a sign are kept as their bit pattern.

-- Single values: 'installation_id' (UUID, tags every process of this state directory).
CREATE TABLE meta (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE vm (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63),
  state TEXT NOT NULL CHECK (state IN (
    'creating', 'created', 'starting', 'running', 'paused', 'stopping', 'stopped', 'failed', 'deleting')),
  state_reason TEXT NOT NULL CHECK (state = 'failed' OR state_reason = ''),
  image TEXT NOT NULL,
  kernel TEXT NOT NULL,
  backend TEXT NOT NULL,
  vcpus INTEGER NOT NULL CHECK (vcpus BETWEEN 1 AND 4294967295),
  memory_mib INTEGER NOT NULL CHECK (memory_mib BETWEEN 1 AND 4294967295),
  disk_bytes INTEGER NOT NULL CHECK (disk_bytes >= 0),
  init TEXT NOT NULL CHECK (init IN ('auto', 'agent')),
  disk_path TEXT NOT NULL,
  disk_format TEXT NOT NULL CHECK (disk_format IN ('', 'raw', 'qcow2')),
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  boot_retries INTEGER NOT NULL CHECK (boot_retries >= 0),
  request_id TEXT UNIQUE CHECK (request_id <> ''),
  request_digest TEXT CHECK ((request_digest IS NULL) = (request_id IS NULL)),
  owner_uid INTEGER NOT NULL CHECK (owner_uid BETWEEN 0 AND 4294967295)
) STRICT;

CREATE TABLE vm_label (
  vm_id TEXT NOT NULL REFERENCES vm ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (vm_id, key)
) STRICT, WITHOUT ROWID;

-- Leases: a number and the VM that has it. They go with their VM.
CREATE TABLE cid_lease (
  cid INTEGER NOT NULL PRIMARY KEY CHECK (cid BETWEEN 3 AND 4294967294),
  vm_id TEXT NOT NULL UNIQUE REFERENCES vm ON DELETE CASCADE
) STRICT;

-- A start of a VM whose processes may exist (pid 0: the intent to launch them). Not cascading: a VM is not forgotten
-- while its machine is not.
CREATE TABLE machine (
  vm_id TEXT NOT NULL PRIMARY KEY REFERENCES vm ON DELETE RESTRICT,
  machine_id TEXT NOT NULL UNIQUE,
  host_boot_id TEXT NOT NULL,
  backend TEXT NOT NULL,
  accelerator TEXT NOT NULL,
  pid INTEGER NOT NULL CHECK (pid >= 0),
  start_time INTEGER NOT NULL
) STRICT;

CREATE TABLE machine_process (
  vm_id TEXT NOT NULL REFERENCES machine ON DELETE CASCADE,
  position INTEGER NOT NULL,
  pid INTEGER NOT NULL CHECK (pid > 0),
  start_time INTEGER NOT NULL,
  PRIMARY KEY (vm_id, position)
) STRICT, WITHOUT ROWID;

-- What happened. No reference to vm: events outlive it. AUTOINCREMENT: a number is never used again.
CREATE TABLE event (
  sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  vm_id TEXT NOT NULL,
  vm_name TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;
