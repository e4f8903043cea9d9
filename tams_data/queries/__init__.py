"""What can be asked of a store: functions from Ibis tables and parameters to Ibis expressions.

No I/O and no SQL text. The same function runs on any engine (`database.read(query, values, **options)`) and on the
tables of any Ibis connection (`query(connection.tables, ...)`).
"""
