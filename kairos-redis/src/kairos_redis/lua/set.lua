local command = 'SADD'
