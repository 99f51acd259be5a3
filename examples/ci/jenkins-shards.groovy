// Jenkinsfile: four jobs that test, and one that reports all results.
// Create the credential zephyr-token: Manage Jenkins > Credentials, kind "Secret text".
pipeline {
    agent none
    options {
        skipDefaultCheckout()
    }
    stages {
        stage('Test') {
            matrix {
                agent {
                    docker { image 'python:3.12' }
                }
                axes {
                    axis {
                        name 'SHARD'
                        values '1', '2', '3', '4'
                    }
                }
                environment {
                    // pip installs into this directory.
                    HOME = "${WORKSPACE}"
                }
                stages {
                    stage('Shard') {
                        steps {
                            checkout scm
                            sh 'pip install --user pytest pytest-split pytest-zephyr'
                            // Writes a journal and sends nothing. A failed test must not
                            // keep the last stage from reporting.
                            catchError(buildResult: 'FAILURE', stageResult: 'FAILURE') {
                                sh '''
                                    python -m pytest --splits 4 --group $SHARD \
                                        --zephyr --zephyr-push never \
                                        --zephyr-journal journals --junitxml junit.xml
                                '''
                            }
                            junit allowEmptyResults: true, testResults: 'junit.xml'
                            stash name: "journals-${SHARD}", includes: 'journals/**'
                        }
                    }
                }
            }
        }
        stage('Report') {
            agent {
                docker { image 'python:3.12' }
            }
            environment {
                HOME = "${WORKSPACE}"
                ZEPHYR_URL = 'https://example.yourzephyr.com'
                ZEPHYR_TOKEN = credentials('zephyr-token')
            }
            steps {
                checkout scm
                sh 'pip install --user pytest-zephyr'
                unstash 'journals-1'
                unstash 'journals-2'
                unstash 'journals-3'
                unstash 'journals-4'
                sh 'python -m pytest_zephyr push journals --zephyr-report zephyr.md'
            }
            post {
                always {
                    archiveArtifacts allowEmptyArchive: true, artifacts: 'journals/**, zephyr.md'
                }
            }
        }
    }
}
