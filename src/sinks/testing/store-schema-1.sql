PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN TRANSACTION;
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  id TEXT,
  json TEXT NOT NULL
) STRICT;
INSERT INTO "events" VALUES(1,'source',1795216205000000,NULL,'{"type":"source","source":"kernel-log","state":"up","reason":null,"lost":0}');
INSERT INTO "events" VALUES(2,'kill',1795216205000000,'k00000001','{"type":"kill","id":"k00000001","revision":0,"at":"2026-11-20T23:10:05.001000Z","node":"worker-3","bootId":"5f6c2a34-0000-4000-8000-000000000000","incident":{"id":"i1","group":false},"victim":{"pid":1001,"tid":1001,"comm":"hog","uid":0,"oomScoreAdj":0,"main":false,"totalVmBytes":22077440,"anonRssBytes":20316160,"fileRssBytes":151552,"shmemRssBytes":0,"pageTableBytes":77824},"trigger":{"pid":1001,"comm":"hog"},"outcome":"killed","limit":{"scope":"cgroup","constraint":"memcg","cgroup":"/docker/df1c","bytes":20971520},"cgroup":{"path":"/docker/df1c","id":73,"version":1},"container":null,"pod":null,"unit":null,"visibility":"unknown","attribution":"exact","recovered":false,"witnesses":["kernel-log","tracefs"]}');
INSERT INTO "events" VALUES(3,'kill',1795216205000000,'k00000002','{"type":"kill","id":"k00000002","revision":0,"at":"2026-11-20T23:10:05.002000Z","node":"worker-3","bootId":"5f6c2a34-0000-4000-8000-000000000000","incident":{"id":"i2","group":false},"victim":{"pid":1002,"tid":1002,"comm":"hog","uid":0,"oomScoreAdj":0,"main":false,"totalVmBytes":22077440,"anonRssBytes":20316160,"fileRssBytes":151552,"shmemRssBytes":0,"pageTableBytes":77824},"trigger":{"pid":1002,"comm":"hog"},"outcome":"killed","limit":{"scope":"cgroup","constraint":"memcg","cgroup":"/docker/df1c","bytes":20971520},"cgroup":{"path":"/docker/df1c","id":73,"version":1},"container":null,"pod":null,"unit":null,"visibility":"invisible","attribution":"exact","recovered":false,"witnesses":["kernel-log","tracefs"]}');
INSERT INTO "events" VALUES(4,'ledger',1795216205000000,NULL,'{"type":"ledger","kernel":12,"recorded":12,"unaccounted":0,"unattributed":0}');
INSERT INTO "events" VALUES(5,'kill',1795216205000000,'k00000003','{"type":"kill","id":"k00000003","revision":0,"at":"2026-11-20T23:10:05.003000Z","node":"worker-3","bootId":"5f6c2a34-0000-4000-8000-000000000000","incident":{"id":"i3","group":false},"victim":{"pid":1003,"tid":1003,"comm":"hog","uid":0,"oomScoreAdj":0,"main":false,"totalVmBytes":22077440,"anonRssBytes":20316160,"fileRssBytes":151552,"shmemRssBytes":0,"pageTableBytes":77824},"trigger":{"pid":1003,"comm":"hog"},"outcome":"killed","limit":{"scope":"cgroup","constraint":"memcg","cgroup":"/docker/df1c","bytes":20971520},"cgroup":{"path":"/docker/df1c","id":73,"version":1},"container":null,"pod":null,"unit":null,"visibility":"unknown","attribution":"exact","recovered":false,"witnesses":["kernel-log","tracefs"]}');
CREATE TABLE kills (
  id TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  first_sequence INTEGER NOT NULL,
  at INTEGER NOT NULL,
  comm TEXT,
  pid INTEGER,
  cgroup TEXT,
  json TEXT NOT NULL
) STRICT;
INSERT INTO "kills" VALUES('k00000001',0,2,1795216205001000,'hog',1001,'/docker/df1c','{"type":"kill","id":"k00000001","revision":0,"at":"2026-11-20T23:10:05.001000Z","node":"worker-3","bootId":"5f6c2a34-0000-4000-8000-000000000000","incident":{"id":"i1","group":false},"victim":{"pid":1001,"tid":1001,"comm":"hog","uid":0,"oomScoreAdj":0,"main":false,"totalVmBytes":22077440,"anonRssBytes":20316160,"fileRssBytes":151552,"shmemRssBytes":0,"pageTableBytes":77824},"trigger":{"pid":1001,"comm":"hog"},"outcome":"killed","limit":{"scope":"cgroup","constraint":"memcg","cgroup":"/docker/df1c","bytes":20971520},"cgroup":{"path":"/docker/df1c","id":73,"version":1},"container":null,"pod":null,"unit":null,"visibility":"unknown","attribution":"exact","recovered":false,"witnesses":["kernel-log","tracefs"]}');
INSERT INTO "kills" VALUES('k00000002',0,3,1795216205002000,'hog',1002,'/docker/df1c','{"type":"kill","id":"k00000002","revision":0,"at":"2026-11-20T23:10:05.002000Z","node":"worker-3","bootId":"5f6c2a34-0000-4000-8000-000000000000","incident":{"id":"i2","group":false},"victim":{"pid":1002,"tid":1002,"comm":"hog","uid":0,"oomScoreAdj":0,"main":false,"totalVmBytes":22077440,"anonRssBytes":20316160,"fileRssBytes":151552,"shmemRssBytes":0,"pageTableBytes":77824},"trigger":{"pid":1002,"comm":"hog"},"outcome":"killed","limit":{"scope":"cgroup","constraint":"memcg","cgroup":"/docker/df1c","bytes":20971520},"cgroup":{"path":"/docker/df1c","id":73,"version":1},"container":null,"pod":null,"unit":null,"visibility":"invisible","attribution":"exact","recovered":false,"witnesses":["kernel-log","tracefs"]}');
INSERT INTO "kills" VALUES('k00000003',0,5,1795216205003000,'hog',1003,'/docker/df1c','{"type":"kill","id":"k00000003","revision":0,"at":"2026-11-20T23:10:05.003000Z","node":"worker-3","bootId":"5f6c2a34-0000-4000-8000-000000000000","incident":{"id":"i3","group":false},"victim":{"pid":1003,"tid":1003,"comm":"hog","uid":0,"oomScoreAdj":0,"main":false,"totalVmBytes":22077440,"anonRssBytes":20316160,"fileRssBytes":151552,"shmemRssBytes":0,"pageTableBytes":77824},"trigger":{"pid":1003,"comm":"hog"},"outcome":"killed","limit":{"scope":"cgroup","constraint":"memcg","cgroup":"/docker/df1c","bytes":20971520},"cgroup":{"path":"/docker/df1c","id":73,"version":1},"container":null,"pod":null,"unit":null,"visibility":"unknown","attribution":"exact","recovered":false,"witnesses":["kernel-log","tracefs"]}');
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
INSERT INTO "meta" VALUES('last_sequence',5);
CREATE INDEX events_small_at ON events (at) WHERE type <> 'kill';
CREATE INDEX kills_at ON kills (at, id);
COMMIT;
PRAGMA user_version = 1;
