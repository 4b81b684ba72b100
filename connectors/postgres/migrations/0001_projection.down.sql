DROP TABLE pnl, positions, fills, orders, instruments, marks;
DROP FUNCTION instant(bigint);
DROP FUNCTION scaled(numeric, integer);
