-- The newest schema of state.db: schema 2. A new file is made from this script; migrations.cc brings older files to the
-- same result. What must never happen is refused by a constraint here, whatever the code above does.
--
-- Times are microseconds since 1970, UTC. Numbers of 64 bits without a sign are kept as their bit pattern.

-- Single values: 'installation_id' (UUID, tags every process of this state directory), 'subnet' (where address blocks
-- are leased from, as in address_lease).
CREATE TABLE meta (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- dir_name is the VM's directory below vms/: its name, except while a rename is under way. follow_up is what is to be
-- done once the VM is off. The expiry is given twice: as wall clock, and as CLOCK_BOOTTIME (nanoseconds) in the boot of
-- the host that it was made in, which no change of the wall clock moves.
CREATE TABLE vm (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63),
  dir_name TEXT NOT NULL UNIQUE CHECK (length(dir_name) BETWEEN 1 AND 63),
  state TEXT NOT NULL CHECK (state IN (
    'creating', 'created', 'starting', 'running', 'paused', 'stopping', 'stopped', 'failed', 'deleting')),
  state_reason TEXT NOT NULL CHECK (state = 'failed' OR state_reason = ''),
  follow_up TEXT NOT NULL CHECK (follow_up IN ('none', 'start', 'restart', 'delete')),
  image TEXT NOT NULL,
  kernel TEXT NOT NULL,
  boot_args TEXT NOT NULL,
  backend TEXT NOT NULL,
  vcpus INTEGER NOT NULL CHECK (vcpus BETWEEN 1 AND 4294967295),
  memory_mib INTEGER NOT NULL CHECK (memory_mib BETWEEN 1 AND 4294967295),
  disk_bytes INTEGER NOT NULL CHECK (disk_bytes >= 0),
  init TEXT NOT NULL CHECK (init IN ('auto', 'agent')),
  restart_policy TEXT NOT NULL CHECK (restart_policy IN ('no', 'on-failure', 'always')),
  autostart INTEGER NOT NULL CHECK (autostart IN (0, 1)),
  remove_when_stopped INTEGER NOT NULL CHECK (remove_when_stopped IN (0, 1)),
  ttl_seconds INTEGER CHECK (ttl_seconds >= 1),
  disk_path TEXT NOT NULL,
  disk_format TEXT NOT NULL CHECK (disk_format IN ('', 'raw', 'qcow2')),
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  boot_retries INTEGER NOT NULL CHECK (boot_retries >= 0),
  restarts INTEGER NOT NULL CHECK (restarts >= 0),
  expires_at INTEGER,
  expires_host_boot_id TEXT CHECK ((expires_host_boot_id IS NULL) = (expires_at IS NULL)),
  expires_boottime_ns INTEGER CHECK ((expires_boottime_ns IS NULL) = (expires_at IS NULL)),
  request_id TEXT UNIQUE CHECK (request_id <> ''),
  request_digest TEXT CHECK ((request_digest IS NULL) = (request_id IS NULL)),
  owner_uid INTEGER NOT NULL CHECK (owner_uid BETWEEN 0 AND 4294967295)
) STRICT;

-- No name of a VM is another's directory: what a rename still holds is not given away.
CREATE TRIGGER vm_name_insert BEFORE INSERT ON vm
WHEN EXISTS (SELECT 1 FROM vm WHERE dir_name = NEW.name AND id <> NEW.id)
  OR EXISTS (SELECT 1 FROM vm WHERE name = NEW.dir_name AND id <> NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'vm.name is the directory of another vm');
END;

CREATE TRIGGER vm_name_update BEFORE UPDATE OF name, dir_name ON vm
WHEN EXISTS (SELECT 1 FROM vm WHERE dir_name = NEW.name AND id <> NEW.id)
  OR EXISTS (SELECT 1 FROM vm WHERE name = NEW.dir_name AND id <> NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'vm.name is the directory of another vm');
END;

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

-- A /30 block of a subnet ('10.100.0.0/16'), counted from 0.
CREATE TABLE address_lease (
  subnet TEXT NOT NULL,
  block_index INTEGER NOT NULL CHECK (
    block_index BETWEEN 0 AND (1 << (30 - CAST(substr(subnet, instr(subnet, '/') + 1) AS INTEGER))) - 1),
  vm_id TEXT NOT NULL UNIQUE REFERENCES vm ON DELETE CASCADE,
  PRIMARY KEY (subnet, block_index)
) STRICT, WITHOUT ROWID;

-- A port of the host and what it leads to. Not changed, only made and released.
CREATE TABLE port_lease (
  protocol TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
  host_port INTEGER NOT NULL CHECK (host_port BETWEEN 1 AND 65535),
  host_address TEXT NOT NULL CHECK (host_address <> ''),
  vm_id TEXT NOT NULL REFERENCES vm ON DELETE CASCADE,
  guest_target TEXT NOT NULL,
  purpose TEXT NOT NULL,
  PRIMARY KEY (protocol, host_port, host_address)
) STRICT, WITHOUT ROWID;

CREATE INDEX port_lease_vm ON port_lease (vm_id);

-- A port on every address ('0.0.0.0': of IPv4; '::': of both) is the port on each of them.
CREATE TRIGGER port_lease_wildcard BEFORE INSERT ON port_lease
WHEN EXISTS (
  SELECT 1 FROM port_lease AS taken
  WHERE taken.protocol = NEW.protocol AND taken.host_port = NEW.host_port
    AND ('::' IN (taken.host_address, NEW.host_address)
      OR ('0.0.0.0' IN (taken.host_address, NEW.host_address)
        AND instr(taken.host_address, ':') = 0 AND instr(NEW.host_address, ':') = 0))
)
BEGIN
  SELECT RAISE(ABORT, 'port_lease.host_port is taken on every address or on one of them');
END;

CREATE TRIGGER port_lease_fixed BEFORE UPDATE OF protocol, host_port, host_address ON port_lease
BEGIN
  SELECT RAISE(ABORT, 'port_lease is not changed');
END;

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
