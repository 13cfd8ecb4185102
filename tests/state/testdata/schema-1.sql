-- A state.db of schema 1 as it was written then: its schema, and one row of each kind. Never changed again.

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

CREATE TABLE cid_lease (
  cid INTEGER NOT NULL PRIMARY KEY CHECK (cid BETWEEN 3 AND 4294967294),
  vm_id TEXT NOT NULL UNIQUE REFERENCES vm ON DELETE CASCADE
) STRICT;

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

CREATE TABLE event (
  sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  vm_id TEXT NOT NULL,
  vm_name TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;

PRAGMA application_id = 1162691154;
PRAGMA user_version = 1;

INSERT INTO meta VALUES ('installation_id', '6e1d2c5a-0d0b-4b0e-9d59-2f6a3f6f7a11');
INSERT INTO vm VALUES (
  '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 'web', 'running', '', 'debian', '6.1.0-40-cloud-amd64', 'qemu', 2, 1024,
  8589934592, 'auto', '/var/lib/ember/vms/web/disk.qcow2', 'qcow2', 1700000000000000, 1700000001000000, 0,
  'request-1', 'digest-1', 1000);
INSERT INTO vm VALUES (
  '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0002', 'db', 'failed', 'qemu ended with exit code 1', 'busybox',
  '6.1.0-40-cloud-amd64', 'qemu', 1, 512, 8589934592, 'agent', '/var/lib/ember/vms/db/disk.img', 'raw',
  1700000002000000, NULL, 1, NULL, NULL, 0);
INSERT INTO vm_label VALUES ('0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 'team', 'core');
INSERT INTO cid_lease VALUES (3, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001');
INSERT INTO cid_lease VALUES (4, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0002');
INSERT INTO machine VALUES (
  '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0011',
  '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0021', 'qemu', 'tcg', 4711, 99);
INSERT INTO machine_process VALUES ('0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 0, 4712, 100);
INSERT INTO event VALUES (1, 1700000000000000, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 'web', 'creating', 'creating', '');
INSERT INTO event VALUES (2, 1700000000500000, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 'web', 'running', 'running', '');
INSERT INTO event VALUES (5, 1700000003000000, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0002', 'db', 'failed', 'failed', 'qemu ended with exit code 1');
