-- A store as version 1 of the schema wrote it: dumped from its file, never to be changed.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE changes (
	revision INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	value BLOB, 
	created INTEGER NOT NULL, 
	moment INTEGER NOT NULL, 
	PRIMARY KEY (revision)
);
INSERT INTO changes VALUES(2,'/registry/pods/default/web-1',X'7b226e223a317d',2,1700000120000);
INSERT INTO changes VALUES(3,'/registry/pods/default/web-2',X'7b226e223a327d',3,1700000180000);
INSERT INTO changes VALUES(4,'/registry/pods/default/web-3',X'7b226e223a337d',4,1700000240000);
INSERT INTO changes VALUES(5,'/registry/pods/default/web-0',X'7b226e223a347d',1,1700000300000);
INSERT INTO changes VALUES(6,'/registry/pods/default/web-1',X'7b226e223a357d',2,1700000360000);
INSERT INTO changes VALUES(7,'/registry/pods/default/web-2',X'7b226e223a367d',3,1700000420000);
INSERT INTO changes VALUES(8,'/registry/pods/default/web-3',X'7b226e223a377d',4,1700000480000);
INSERT INTO changes VALUES(9,'/registry/pods/default/web-0',X'7b226e223a387d',1,1700000540000);
INSERT INTO changes VALUES(10,'/registry/pods/default/web-1',X'7b226e223a397d',2,1700000600000);
INSERT INTO changes VALUES(11,'/registry/pods/default/web-2',X'7b226e223a31307d',3,1700000660000);
INSERT INTO changes VALUES(12,'/registry/pods/default/web-3',X'7b226e223a31317d',4,1700000720000);
INSERT INTO changes VALUES(13,'/registry/pods/default/web-3',NULL,4,1700000720000);
INSERT INTO changes VALUES(14,'/registry/configmaps/default/été',X'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',14,1700000720000);
INSERT INTO changes VALUES(15,'/registry/empty',X'',15,1700000720000);
INSERT INTO changes VALUES(17,'/registry/secrets/default/s',X'6e6577',17,1700000720000);
CREATE TABLE state (
	name TEXT NOT NULL, 
	value INTEGER NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO state VALUES('schema',1);
INSERT INTO state VALUES('reserved',17);
INSERT INTO state VALUES('oldest',5);
INSERT INTO state VALUES('oldest_moment',1700000300000);
INSERT INTO state VALUES('swept',5);
CREATE INDEX changes_by_key ON changes ("key", revision);
COMMIT;
