// Jenkinsfile: one job that tests and reports to Zephyr Enterprise.
// Create the credential zephyr-token: Manage Jenkins > Credentials, kind "Secret text".
pipeline {
    agent {
        docker { image 'python:3.12' }
    }
    environment {
        // pip installs into this directory.
        HOME = "${WORKSPACE}"
        ZEPHYR_URL = 'https://example.yourzephyr.com'
        ZEPHYR_TOKEN = credentials('zephyr-token')
    }
    options {
        skipDefaultCheckout()
    }
    stages {
        stage('Checkout') {
            steps {
                checkout scm
            }
        }
        stage('Install') {
            steps {
                sh 'pip install --user pytest pytest-zephyr'
            }
        }
        stage('Test') {
            steps {
                sh '''
                    python -m pytest --junitxml junit.xml \
                        --zephyr --zephyr-journal journals --zephyr-report zephyr.md
                '''
            }
        }
    }
    post {
        always {
            junit allowEmptyResults: true, testResults: 'junit.xml'
            archiveArtifacts allowEmptyArchive: true, artifacts: 'journals/**, zephyr.md'
        }
    }
}
